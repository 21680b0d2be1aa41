# Neither enables nor starts a service: it needs a configuration first.
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || :
fi
