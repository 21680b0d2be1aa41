# What the agent sent does not verify and was not written.
.[] | select(.event == "update_refused")
