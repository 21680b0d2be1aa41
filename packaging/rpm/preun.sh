# $1: how many versions will be left; an upgrade leaves services alone.
if [ "$1" -eq 0 ] && command -v systemctl >/dev/null 2>&1; then
    if [ -d /run/systemd/system ]; then
        systemctl stop spiffe-helper.service 'spiffe-helper@*.service' || :
    fi
    systemctl --no-reload --quiet disable spiffe-helper.service spiffe-helper@.service || :
fi
