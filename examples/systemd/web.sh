#!/bin/bash
# Stands for a server that has its certificate in files: it loads them at its start, and again at every SIGHUP.
load() {
    mapfile -t loaded < <(spiffe-helper show /run/spiffe-helper/web/svid.pem | sed -nE 's/^ +(SPIFFE ID|serial) +//p')
    echo "$1 ${loaded[0]}, serial ${loaded[1]}"
}
trap 'load reloaded' HUP
load started
echo $$ >/run/web/web.pid
while :; do
    sleep infinity &
    sleeper=$!
    wait "$sleeper" # a signal ends the wait at once; its trap has run by then
    kill "$sleeper" 2>/dev/null
done
