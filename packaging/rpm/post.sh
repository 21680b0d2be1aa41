# Neither enables nor starts anything: that is for whoever has written a configuration.
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || :
fi
