# The agent denies an identity to a helper that never had one.
.[] | select(.event == "identity_denied" and .files == null)
