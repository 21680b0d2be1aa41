# Lines are missing before this one.
.[] | select(.event == "log_dropped")
