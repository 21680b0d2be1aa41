#!/bin/bash
# Makes a release: sets the version, dates the changelog, runs all checks, commits, tags, builds the artefacts.
#
#   scripts/release.sh [--dry-run] [--skip-tests] [--no-build] VERSION
#
#   VERSION       X.Y.Z, greater than the last one in CHANGELOG.md
#   --dry-run     check that it is possible, print the steps, change nothing
#   --skip-tests  do not run the checks (.ci/run takes an hour)
#   --no-build    do not build dist/; later: packaging/build.sh --arch ARCH all, at the tag
#
# The work tree must be clean, [Unreleased] in CHANGELOG.md must have entries, and dist/ must be empty. If a check fails
# nothing is committed, and the files are as before. Nothing is pushed: the last lines list what to publish.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
architectures=(amd64 arm64)
# The files that contain the version. All others take it from CMakeLists.txt.
versioned=(CMakeLists.txt docs/kubernetes.md)
# Files with versions of other software, or of former releases.
not_ours=(':!CHANGELOG.md' ':!*go.mod' ':!*go.sum' ':!tests/requirements.txt')

usage() {
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' scripts/release.sh
}

refuse() { # refuse WHAT HINT
    printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
    exit 1
}

dry_run=false tests=true build=true version=''
while (($#)); do
    case $1 in
        --dry-run) dry_run=true ;;
        --skip-tests) tests=false ;;
        --no-build) build=false ;;
        -h | --help) usage; exit 0 ;;
        -*) usage >&2; exit 2 ;;
        *) [[ -z $version ]] || { usage >&2; exit 2; }; version=$1 ;;
    esac
    shift
done
[[ -n $version ]] || { usage >&2; exit 2; }

current() {
    sed -n 's/^project(spiffe-helper VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt
}

# The last version in the changelog; empty before the first release.
released() {
    sed -n 's/^## \[\([0-9][0-9.]*\)\].*/\1/p' CHANGELOG.md | sort -V | tail -n 1
}

entries() { # entries SECTION: the lines of a section of the changelog
    awk -v section="## [$1]" 'index($0, "## [") == 1 { inside = index($0, section) == 1; next }
                              /^\[[^]]*\]: / { inside = 0 } inside' CHANGELOG.md
}

at_least() { # at_least VERSION OTHER
    [[ $(printf '%s\n' "$2" "$1" | sort -V | tail -n 1) == "$1" ]]
}

refuse_the_impossible() {
    local last
    [[ $version =~ ^(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){2}$ ]] ||
        refuse "$version is not a version" "write three numbers, for example 1.2.3"
    last=$(released)
    [[ $version != "$last" ]] && at_least "$version" "${last:-0.0.0}" && at_least "$version" "$old" ||
        refuse "$version is not greater than ${last:-$old}" \
            "CHANGELOG.md has the released versions, CMakeLists.txt the next"
    ! git rev-parse --quiet --verify "refs/tags/v$version" >/dev/null ||
        refuse "the tag v$version exists" "choose another version"
    [[ -z $(git status --porcelain) ]] ||
        refuse "the work tree is not clean" "git status lists the changes: commit or remove them"
    [[ -n $(entries Unreleased | grep -v '^#' | tr -d '[:space:]') ]] ||
        refuse "[Unreleased] in CHANGELOG.md is empty" "describe the changes that a user can notice"
    if $build && [[ -d dist && -n $(ls -A dist) ]]; then
        refuse "dist/ is not empty" "SHA256SUMS would cover its old files, too: remove them"
    fi
}

step() { # step TEXT COMMAND...
    echo "== $1"
    if $dry_run; then return; fi
    "${@:2}"
}

set_version() {
    local others
    local pattern="(^|[^0-9.])${old//./\\.}([^0-9]|\$)"
    sed -i -E "s/$pattern/\1$version\2/g" "${versioned[@]}"
    [[ $old == "$version" ]] && return
    others=$(git grep -nE -e "$pattern" -- "${not_ours[@]}") || return 0
    refuse "the version $old is written in other places: $others" \
        "take it from CMakeLists.txt, or add the file to scripts/release.sh"
}

date_changelog() {
    local date text
    date=$(date -u ${SOURCE_DATE_EPOCH:+-d "@$SOURCE_DATE_EPOCH"} +%F)
    # Links that compare versions are added only if there is one for [Unreleased].
    text=$(awk -v version="$version" -v date="$date" '
        /^## \[Unreleased\]/ { print; print ""; print "## [" version "] - " date; next }
        tolower($0) ~ /^\[unreleased\]: .*\/compare\/.*\.\.\.head$/ {
            link = $0; sub(/^[^:]*: /, "", link)
            base = link; sub(/[^\/]*$/, "", base)
            from = link; sub(/^.*\//, "", from); sub(/\.\.\..*$/, "", from)
            print "[Unreleased]: " base "v" version "...HEAD"
            print "[" version "]: " base from "...v" version
            next
        }
        { print }' CHANGELOG.md)
    printf '%s\n' "$text" >CHANGELOG.md
}

check() {
    .ci/run && .ci/run reproducible
}

commit() {
    git commit --quiet -m "release: $version" -- CHANGELOG.md "${versioned[@]}"
}

tag() {
    git tag --annotate "v$version" --message "spiffe-helper $version" \
        --message "$(entries "$version" | sed 's/^#* *//')"
}

artefacts() { # artefacts ARCHITECTURE
    packaging/build.sh --arch "$1" all ||
        refuse "the artefacts for $1 could not be built" \
            "the release is committed and tagged: mend it, then packaging/build.sh --arch $1 all"
}

undo() {
    git checkout --quiet -- CHANGELOG.md "${versioned[@]}"
    echo "release.sh: nothing is released, the files are as before" >&2
}

old=$(current)
refuse_the_impossible
if ! $dry_run; then trap undo EXIT; fi
step "set the version to $version (was $old): ${versioned[*]}" set_version
step "date the changelog" date_changelog
if $tests; then
    step "run all checks: .ci/run, then .ci/run reproducible" check
else
    echo "warning: the checks are skipped: nobody knows whether $version works" >&2
fi
step "commit" commit
trap - EXIT
step "tag v$version" tag
if $build; then
    for arch in "${architectures[@]}"; do
        step "build for $arch: packaging/build.sh --arch $arch all" artefacts "$arch"
    done
fi
echo "== to publish"
printf '%s\n' "git push REMOTE $(git branch --show-current) v$version" \
    "every file of dist/, on the release page of v$version" \
    "the text of [$version] in CHANGELOG.md, as its notes" \
    "the images of dist/, to your registry, as $version and $version-debug"
