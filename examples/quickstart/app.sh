#!/usr/bin/env bash
# In place of a program with a certificate: it loads the certificate when it starts, and again at every SIGHUP.
load() {
  local serial
  serial=$(openssl x509 -in certs/svid.pem -noout -serial | cut -d= -f2)
  printf '%s\n' "$1 certificate ${serial: -8} (valid until $(openssl x509 -in certs/svid.pem -noout -enddate |
    cut -d= -f2 | awk '{print $3}'))" >>app.log
}
trap 'load "SIGHUP received: loaded"' HUP
trap 'printf "%s\n" "asked to stop: bye" >>app.log; exit 0' TERM
load "started: loaded"
while :; do
  sleep 3600 &
  sleeper=$!
  wait "$sleeper"  # a signal ends the wait, after its trap has run
  kill "$sleeper" 2>/dev/null
done
