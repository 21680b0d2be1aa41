#!/usr/bin/env bash
# Makes two trust domains that up.sh has started trust each other.
#
#   ./federation.sh [TRUST_DOMAIN OTHER_TRUST_DOMAIN]    default: example.org partner.example
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

server() { # server TRUST_DOMAIN COMMAND...
    (
        . "$base/$1/env"
        spire-server "${@:2}"
    )
}

# federate TRUST_DOMAIN OTHER: its server gets the other's bundle by hand once, and then keeps it up to date itself from
# the other server's bundle endpoint. That one shows an SVID of its own, which the bundle authenticates (https_spiffe).
federate() {
    local endpoint
    endpoint=$(. "$base/$2/env" && echo "$BUNDLE_ENDPOINT")
    server "$2" bundle show -format spiffe | server "$1" bundle set -id "spiffe://$2" -format spiffe
    server "$1" federation create -trustDomain "$2" -bundleEndpointURL "$endpoint" \
        -bundleEndpointProfile https_spiffe -endpointSpiffeID "spiffe://$2/spire/server"
    server "$1" federation refresh -id "$2"
}

one=${1:-example.org}
other=${2:-partner.example}
for domain in "$one" "$other"; do
    [[ -s $base/$domain/env ]] || fail "$domain is not up: ./up.sh $domain"
done
federate "$one" "$other"
federate "$other" "$one"
