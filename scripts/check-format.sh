#!/bin/bash
# Checks that clang-format would change nothing in src/ and tests/.
#
#   scripts/check-format.sh [--fix]
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# The version is part of the style: other versions format some constructs differently.
formatter=clang-format-19
command -v "$formatter" >/dev/null || {
    echo "check-format.sh: $formatter is not installed: scripts/install-deps.sh ci" >&2
    exit 1
}
mode=(--dry-run -Werror)
if [[ ${1-} == --fix ]]; then mode=(-i); fi
find src tests \( -name '*.cc' -o -name '*.hh' \) -print0 |
    xargs -0 -r -n 20 -P "$(nproc)" "$formatter" "${mode[@]}"
