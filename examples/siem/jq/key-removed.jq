# The identity was denied for longer than revoke_after.
.[] | select(.event == "revoked")
