# Sourced by the run.sh of a consumer: an agent for development, a client's files, and the consumer with its helper.
#
# $PORT                  the consumer's, on 127.0.0.1
# $TTL                   lifetime of the certificates; renewed at half of it
# $SPIFFE_EXAMPLE_DIR    where everything is put; removed in the end
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd)
dir=${SPIFFE_EXAMPLE_DIR:-${TMPDIR:-/tmp}/spiffe-example}
PORT=${PORT:-8443}
export SPIFFE_ENDPOINT_SOCKET=unix://$dir/agent.sock

fail() {
    echo "error: $1" >&2
    exit 1
}

# Background jobs ignore Ctrl-C: this is how they learn of it.
cleanup() {
    trap - EXIT
    cd /
    [[ -z ${helper-} ]] || { kill "$helper" && wait "$helper"; } 2>/dev/null || true
    [[ -z ${agent-} ]] || { kill "$agent" && wait "$agent"; } 2>/dev/null || true
    rm -rf "$dir"
}

# begin [COMMAND...]: the working directory, what COMMAND puts there, and the agent. The client's certificate comes last,
# since its lifetime begins then.
begin() {
    mkdir -m 0700 "$dir" || fail "is another example running? set SPIFFE_EXAMPLE_DIR to another directory"
    trap cleanup EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    cd "$dir"
    "${@:-true}"
    spiffe-dev-agent -socket agent.sock -control control.sock -id /server -id /client -ttl "${TTL:-20s}" \
        >agent.log 2>&1 &
    agent=$!
    until grep -q '^listening on' agent.log; do
        kill -0 "$agent" 2>/dev/null || fail "$(cat agent.log)"
        sleep 0.1
    done
    spiffe-helper -config "$here/../common/client.conf"
}

# configure FILE: a copy with the port and the directory of this run.
configure() { sed "s/8443/$PORT/; s|/srv/example|$dir|" "$here/$1" >"$1"; }

# run [FILE]: the helper, with its configuration, which starts the consumer; until that ends, or we do.
run() {
    spiffe-helper -config "${1:-$here/helper.conf}" &
    helper=$!
    wait "$helper"
}
