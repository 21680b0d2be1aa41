#!/bin/bash
# Checks that the released programs do not depend on where, when and by whom they are built: builds
# them again from a copy of the tree in another directory, without ccache, and compares.
#
#   scripts/check-reproducible.sh
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
programs=(spiffe-helper spiffe-dev-agent)
. "$root/scripts/build-env.sh"
# The copy has no history to ask.
SPIFFE_COMMIT=$(git -C "$root" rev-parse HEAD 2>/dev/null || true)
export SPIFFE_COMMIT
build_preset release

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
other=$copy/a/directory/with/a/rather/longer/name/than/usual
mkdir -p "$other"
tar -C "$root" --exclude=./build --exclude=./.git -cf - . | tar -xf - -C "$other"
(
    root=$other
    umask 077
    export CCACHE_DISABLE=1 CMAKE_CXX_COMPILER_LAUNCHER='' LC_ALL=C.UTF-8 TZ=Pacific/Kiritimati
    build_preset release
)
status=0
for program in "${programs[@]}"; do
    if cmp "$root/build/release/$program" "$other/build/release/$program"; then
        sha256sum "$root/build/release/$program"
    else
        status=1
    fi
done
exit "$status"
