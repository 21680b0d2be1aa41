#!/bin/bash
# Prints the path of promtool, Prometheus's checker of metrics; all else goes to stderr.
#
# If it is not in PATH, it is extracted from Debian's package prometheus. The package is not installed, because
# that would start a server on port 9090. Downloaded once (19 MB), kept in the user's cache (46 MB).
#
# Exit status: 0 printed, 3 not available here (the reason is one line on stderr).
set -euo pipefail

unavailable() {
    echo "promtool.sh: $1" >&2
    exit 3
}

if command -v promtool; then exit 0; fi
cache=${SPIFFE_HELPER_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/spiffe-helper-tools}
program=$cache/promtool
if [[ ! -x $program ]]; then
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
        unavailable "promtool is not in PATH, and this is no Debian to take it from"
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/work.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    cd "$work"
    # The package lists may be missing or old; only root can update them.
    apt-get -q download prometheus >&2 ||
        { apt-get -q update >&2 && apt-get -q download prometheus >&2; } ||
        unavailable "the package prometheus cannot be downloaded; run apt-get update, or put promtool into PATH"
    dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool
    mv -f usr/bin/promtool "$program"
fi
echo "$program"
