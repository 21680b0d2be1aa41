# Somebody loaded a configuration that is not valid.
.[] | select(.event == "config_reload_refused")
