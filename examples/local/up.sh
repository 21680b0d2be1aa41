#!/usr/bin/env bash
# Starts a SPIRE server and agent of one trust domain on this machine, on loopback and Unix sockets only.
#
#   ./up.sh [TRUST_DOMAIN]         default: example.org
#
# The programs come from PATH, or are built by tests/interop/peers/build.sh of this repository, which needs Go.
# $SPIFFE_EXAMPLE_DIR   where all files are, a directory for each trust domain
# $SPIRE_PORT           the server's port; the one after it is the bundle endpoint's. Default: any that are free
# $SVID_TTL             how long an SVID lives: 20s
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
TRUST_DOMAIN=${1:-example.org}
SVID_TTL=${SVID_TTL:-20s}
SPIRE_DIR=$base/$TRUST_DOMAIN

find_programs() {
    if command -v spire-server >/dev/null && command -v spire-agent >/dev/null; then return; fi
    local directory
    directory=$("$root/tests/interop/peers/build.sh") ||
        fail "spire-server and spire-agent are not in PATH, and cannot be built"
    PATH=$directory:$PATH
}

make_directory() {
    [[ $TRUST_DOMAIN =~ ^[a-z0-9._-]+$ && $TRUST_DOMAIN != .* ]] || fail "'$TRUST_DOMAIN' is not a trust domain"
    mkdir -p -m 0700 "$base"
    # In /tmp somebody else may have been there first.
    [[ -O $base ]] || fail "$base is not yours: set SPIFFE_EXAMPLE_DIR"
    base=$(cd "$base" && pwd -P)
    SPIRE_DIR=$base/$TRUST_DOMAIN
    ((${#SPIRE_DIR} < 90)) || fail "$SPIRE_DIR is too long for a Unix socket: set SPIFFE_EXAMPLE_DIR"
    mkdir "$SPIRE_DIR" 2>/dev/null || fail "$SPIRE_DIR exists: run down.sh first"
    mkdir "$SPIRE_DIR/server" "$SPIRE_DIR/agent"
    # What down.sh may remove; up.sh fills it at the end.
    : >"$SPIRE_DIR/env"
}

# start PROGRAM CONFIGURATION: runs it in the background and waits until it is healthy; false if its port is not free.
start() {
    local log=$SPIRE_DIR/$1.log
    (cd "$SPIRE_DIR" && exec setsid "$1" run -expandEnv -config "$here/$2") >"$log" 2>&1 </dev/null &
    echo $! >"$SPIRE_DIR/$1.pid"
    until [[ -S $SPIRE_DIR/${1#spire-}.sock ]] &&
        "$1" healthcheck -socketPath "$SPIRE_DIR/${1#spire-}.sock" >/dev/null 2>&1; do
        if ! kill -0 $! 2>/dev/null; then
            ! grep -q 'address already in use' "$log" || return 1
            tail -n 5 "$log" >&2
            fail "$1 did not start"
        fi
        sleep 0.1
    done
}

# Two ports below those that the system gives to clients. Only the server's bind() can say whether they are free.
start_server() {
    local attempt
    for attempt in 1 2 3 4 5; do
        SERVER_PORT=${SPIRE_PORT:-$((20000 + RANDOM % 6000 * 2))}
        BUNDLE_PORT=$((SERVER_PORT + 1))
        if start spire-server server.conf; then return; fi
        [[ -z ${SPIRE_PORT-} ]] || fail "port $SERVER_PORT or $BUNDLE_PORT is not free"
    done
    fail "found no free port in $attempt attempts"
}

start_agent() {
    local server=(-socketPath "$SPIRE_DIR/server.sock")
    spire-server bundle show "${server[@]}" >"$SPIRE_DIR/bundle.pem"
    # The agent's own ID contains the token. /node is a second one that stays the same: the parent of our entries.
    JOIN_TOKEN=$(spire-server token generate "${server[@]}" -spiffeID "spiffe://$TRUST_DOMAIN/node" |
        sed -n 's/^Token: //p')
    start spire-agent agent.conf
}

write_env() {
    local helper=''
    command -v spiffe-helper >/dev/null || helper=:$root/build/release
    cat >"$SPIRE_DIR/env" <<END
export TRUST_DOMAIN='$TRUST_DOMAIN'
export SPIRE_DIR='$SPIRE_DIR'
export SPIRE_SERVER_PRIVATE_SOCKET='$SPIRE_DIR/server.sock'
export SPIRE_AGENT_PUBLIC_SOCKET='$SPIRE_DIR/agent.sock'
export SPIFFE_ENDPOINT_SOCKET='unix://$SPIRE_DIR/agent.sock'
export BUNDLE_ENDPOINT='https://127.0.0.1:$BUNDLE_PORT'
export PATH='$(dirname "$(command -v spire-server)")$helper':"\$PATH"
END
}

find_programs
make_directory
export TRUST_DOMAIN SPIRE_DIR SVID_TTL SERVER_PORT BUNDLE_PORT JOIN_TOKEN
trap 'code=$?; ((code == 0)) || "$here/down.sh" "$TRUST_DOMAIN" >/dev/null; exit $code' EXIT
start_server
start_agent
write_env
cat <<END
SPIRE runs for the trust domain $TRUST_DOMAIN
  server socket    $SPIRE_DIR/server.sock
  agent socket     $SPIRE_DIR/agent.sock
  logs             $SPIRE_DIR/spire-server.log, spire-agent.log
  for your shell   . $SPIRE_DIR/env
END
