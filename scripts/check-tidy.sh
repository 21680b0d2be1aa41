#!/bin/bash
# Runs clang-tidy over src/ with the commands of build/dev.
#
#   scripts/check-tidy.sh [REGEX]     only files whose path under src/ matches
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/build-env.sh"
# Also makes the headers that protoc generates.
build_preset dev >/dev/null
# The commands are g++'s, with warnings that clang does not know.
run-clang-tidy-19 -quiet -extra-arg=-Wno-unknown-warning-option -p "$root/build/dev" \
    -j "$CMAKE_BUILD_PARALLEL_LEVEL" "^$root/src/${1-}"
