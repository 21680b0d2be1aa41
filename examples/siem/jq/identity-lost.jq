# The agent denies an identity that the helper had.
.[] | select(.event == "identity_denied" and .files == "kept")
