#!/bin/bash
# Checks that the artefacts do not depend on where, when and by whom they are made: packaging/build.sh makes all of them
# here, and from a fresh clone in another directory with another umask, time zone and locale and without ccache. That
# is one more complete build. The work tree must be clean, because a clone has only committed files.
#
#   scripts/check-reproducible.sh [--arch amd64|arm64]
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
case ${1-} in
    '' | --arch) ;;
    *) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
if [[ -n $(git -C "$root" status --porcelain --untracked-files=no) ]]; then
    echo "error: there are changes that are not committed" >&2
    exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
other=$work/a/directory/with/a/rather/longer/name/than/usual
git clone --quiet "$root" "$other"
git -C "$other" checkout --quiet --detach "$(git -C "$root" rev-parse HEAD)"

make_artefacts() { # make_artefacts ROOT DIRECTORY OPTION...
    local log=$2.log
    "$1/packaging/build.sh" --output "$2" "${@:3}" all >"$log" 2>&1 || { tail -n 60 "$log" >&2; return 1; }
}

make_artefacts "$root" "$work/here" "$@"
(
    umask 077
    export CCACHE_DISABLE=1 CMAKE_CXX_COMPILER_LAUNCHER='' LC_ALL=C.UTF-8 TZ=Pacific/Kiritimati
    make_artefacts "$other" "$work/there" "$@"
)
cat "$work/here/SHA256SUMS"
diff "$work/here/SHA256SUMS" "$work/there/SHA256SUMS" || { echo "error: these files differ" >&2; exit 1; }
