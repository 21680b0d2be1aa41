# The bundle of a trust domain is gone.
.[] | select(.event == "bundle_changed" and .change == "removed")
