# The program was not notified of new files, and goes on with the old ones.
.[] | select(.event | IN("signal_failed", "signal_withheld", "prepare_cmd_failed", "renew_cmd_failed"))
