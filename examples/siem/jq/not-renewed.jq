# An SVID on disk is about to expire, or has expired.
.[] | select(.event | IN("expiring", "expired"))
