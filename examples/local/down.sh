#!/usr/bin/env bash
# Ends what up.sh has started, and removes its files.
#
#   ./down.sh [TRUST_DOMAIN...]    default: all of them
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
[[ -d $base ]] || { echo "nothing runs"; exit; }
base=$(cd "$base" && pwd -P)
domains=("$@")
if (($# == 0)); then
    for env in "$base"/*/env; do
        [[ ! -f $env ]] || domains+=("$(basename "$(dirname "$env")")")
    done
fi
for domain in "${domains[@]}"; do
    SPIRE_DIR=$base/$domain
    [[ -f $SPIRE_DIR/env ]] || fail "$SPIRE_DIR is not up.sh's"
    stop spire-agent
    stop spire-server
    rm -rf "$SPIRE_DIR"
    echo "SPIRE of $domain is gone"
done
rmdir --ignore-fail-on-non-empty "$base"
