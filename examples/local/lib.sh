# Sourced by the scripts of this directory: where things are, and what they have in common.
# $SPIFFE_EXAMPLE_DIR holds a directory for each trust domain; nothing is written elsewhere.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
base=${SPIFFE_EXAMPLE_DIR:-${XDG_RUNTIME_DIR:-/tmp}/spiffe-example}

fail() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    exit 1
}

# alive PROGRAM: whether the process of its PID file is the one that we started, in our directory. Sets `pid`.
alive() {
    pid=$(cat "$SPIRE_DIR/$1.pid" 2>/dev/null) || return 1
    [[ $(cat "/proc/$pid/comm" 2>/dev/null) == "$1" && $(readlink "/proc/$pid/cwd") == "$SPIRE_DIR" ]]
}

# stop PROGRAM: ends it and waits for its end.
stop() {
    local tries=0
    while alive "$1"; do
        ((tries != 0)) || kill "$pid"
        ((tries != 100)) || kill -KILL "$pid"
        sleep 0.1
        ((++tries))
    done
    rm -f "$SPIRE_DIR/$1.pid"
}
