#!/bin/bash
# Builds the fuzz targets and runs each for a bounded time on a copy of its corpus.
#
#   scripts/run-fuzz.sh [SECONDS-EACH] [TARGET...]     default: 60 seconds, every target
#
# A target is a program *_fuzz of build/fuzz; its corpus is tests/fuzz/corpus/<target> and its dictionary
# tests/fuzz/<target>.dict, if they exist. Inputs that crash a target are kept in build/fuzz/crashes.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/build-env.sh"
. "$root/tests/support/sanitizers.sh"
seconds=${1:-60}
shift || true
build_preset fuzz

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
crashes=$root/build/fuzz/crashes
mkdir -p "$crashes"

fuzz() { # fuzz PROGRAM
    local name options=()
    name=$(basename "$1")
    mkdir -p "$work/$name"
    if [[ -d $root/tests/fuzz/corpus/$name ]]; then
        cp -r "$root/tests/fuzz/corpus/$name/." "$work/$name/"
    fi
    if [[ -f $root/tests/fuzz/$name.dict ]]; then options=(-dict="$root/tests/fuzz/$name.dict"); fi
    if "$1" "${options[@]}" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$crashes/$name-" "$work/$name" >"$work/$name.log" 2>&1; then
        echo "$name: $(awk '/number_of_executed_units/ { print $2 }' "$work/$name.log") runs"
    else
        echo "$name: FAILED"
        tail -n 60 "$work/$name.log"
        return 1
    fi
}
export -f fuzz
export root work crashes seconds

targets=("${@/#/$root/build/fuzz/tests/fuzz/}")
if ((${#targets[@]} == 0)); then
    mapfile -t targets < <(find "$root/build/fuzz" -name '*_fuzz' -type f -executable | sort)
fi
((${#targets[@]})) || { echo "run-fuzz.sh: no targets in build/fuzz" >&2; exit 1; }
printf '%s\0' "${targets[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -c 'fuzz "$0"'
