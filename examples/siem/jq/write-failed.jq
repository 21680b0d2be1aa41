# A renewal or a new bundle cannot be written.
.[] | select(.event == "write_failed")
