#!/usr/bin/env bash
# Runs the rules in jq/ on logs of spiffe-helper (log_format = "json"): the files, or standard input. Prints a line for
# each finding. Exit status: 0 no findings, 1 findings, 2 an error.
set -euo pipefail

rules=$(cd "$(dirname "${BASH_SOURCE[0]}")/jq" && pwd)
# The helper's program may write to the same stream, so not every line is the helper's. Each rule takes the list of all
# events and gives those that it finds.
program='[inputs | fromjson? | objects | select(.system == "spiffe-helper")] |'
for rule in "$rules"/*.jq; do
    program+=" ($(cat "$rule")
      | \"$(basename "$rule" .jq): \\(.time) \\(.level): \\(.msg)\"),"
done

found=$(jq -nrR "$program empty" "$@") || exit 2
[[ -n $found ]] || exit 0
printf '%s\n' "$found"
exit 1
