#!/usr/bin/env bash
# The server of Greeter.java with its helper, a helper for a client, and a development agent, until Ctrl-C.
#
# $PORT                  the server's, on 127.0.0.1
# $SPIFFE_EXAMPLE_DIR    where everything is put; removed in the end
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=${SPIFFE_EXAMPLE_DIR:-${TMPDIR:-/tmp}/spiffe-example}
PORT=${PORT:-8443}
export SPIFFE_ENDPOINT_SOCKET=unix://$dir/agent.sock

jobs=()
cleanup() {
    trap - EXIT
    cd /
    for job in "${jobs[@]}"; do kill "$job" && wait "$job" || true; done 2>/dev/null
    rm -rf "$dir"
}
mkdir -m 0700 "$dir" || { echo "error: is another example running? set SPIFFE_EXAMPLE_DIR" >&2; exit 1; }
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$dir"

(umask 077 && head -c 18 /dev/urandom | base64 >password)
spiffe-dev-agent -quiet -socket agent.sock -id /server -id /client -ttl "${TTL:-20s}" >agent.log 2>&1 &
jobs+=($!)
spiffe-helper -config "$here/helper.conf" -spiffe-id spiffe://example.org/client -cert-dir client 2>client.log &
jobs+=($!)
spiffe-helper -config "$here/helper.conf" -spiffe-id spiffe://example.org/server -cert-dir server \
    -- java "$here/Greeter.java" serve server password spiffe://example.org/client "$PORT" &
server=$!
jobs=("$server" "${jobs[@]}")
wait "$server"
