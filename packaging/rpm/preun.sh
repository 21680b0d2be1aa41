# $1: the number of versions that remain; an upgrade does not change services.
if [ "$1" -eq 0 ] && command -v systemctl >/dev/null 2>&1; then
    if [ -d /run/systemd/system ]; then
        systemctl stop spiffe-helper.service 'spiffe-helper@*.service' || :
    fi
    systemctl --no-reload --quiet disable spiffe-helper.service spiffe-helper@.service || :
fi
