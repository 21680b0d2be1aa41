#!/bin/bash
# Builds the programs the interop tests run against: a real SPIRE server and
# agent, the Go spiffe-helper, and go-oracle, which says what the helper makes of
# a configuration. Prints the directory that holds spire-server, spire-agent,
# spiffe-helper-go and go-oracle; all else goes to stderr.
#
# The directory is kept and its name is a hash of everything that decides what
# is built, so only the first call builds (minutes), the next one only prints.
#
# Exit status: 0 built, 3 cannot be built here (the reason is one line on
# stderr), anything else a failed build.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${SPIFFE_HELPER_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/spiffe-helper-peers}
programs=(spire-server spire-agent spiffe-helper-go go-oracle)

# Environment settings that would build something other than what is pinned.
export GOTOOLCHAIN=local GOWORK=off GOFLAGS=
unset GOOS GOARCH GOEXPERIMENT

exec 3>&1 1>&2

unavailable() {
    echo "build.sh: $1"
    exit 3
}

# pinned MODULE VERSION-FILE: the version go.mod requires, without its "v".
pinned() {
    awk -v module="$1" \
        '{ sub(/^require /, "") } $1 == module { sub(/^v/, "", $2); print $2; exit }' "$2"
}

at_least() { # at_least HAVE WANT
    [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]
}

find_go() {
    if ! command -v go >/dev/null && [[ -x /usr/local/go/bin/go ]]; then
        PATH=$PATH:/usr/local/go/bin
    fi
    local want have
    want=$(awk '$1 == "go" { print $2; exit }' "$here/spire/go.mod")
    command -v go >/dev/null || unavailable "Go $want or later is needed and no go is in PATH"
    go_version=$(go version)
    have=$(awk '{ sub(/^go/, "", $3); print $3 }' <<<"$go_version")
    at_least "$have" "$want" || unavailable "Go $want or later is needed, $(command -v go) is $have"
}

build_key() {
    {
        echo "$go_version"
        cd "$here"
        find . -type f \( -name 'go.*' -o -name '*.go' -o -name '*.s' -o -name build.sh \) -print0 |
            LC_ALL=C sort -z | xargs -0 sha256sum
    } | sha256sum | cut -c 1-16
}

complete() {
    local program
    for program in "${programs[@]}"; do
        [[ -x $1/$program ]] || return 1
    done
}

go_build() { # go_build MODULE-DIRECTORY LDFLAGS ARGUMENT...
    local directory=$1 ldflags=$2
    shift 2
    (cd "$here/$directory" && go build -mod=readonly -trimpath -ldflags "-s -w $ldflags" "$@")
}

# As upstream's release builds: SPIRE is static with cgo, because its sqlite
# datastore is C; the helper is without cgo. The tags keep the C library's name
# service, which cannot be linked statically, out.
build_all() { # build_all OUT
    local spire=github.com/spiffe/spire helper=github.com/spiffe/spiffe-helper
    command -v "${CC:-gcc}" >/dev/null || unavailable "a C compiler is needed for SPIRE's sqlite"
    echo "build.sh: building the Go helper"
    CGO_ENABLED=0 go_build go-helper \
        "-X $helper/pkg/version.gittag=$(pinned $helper "$here/go-helper/go.mod")" \
        -o "$1/spiffe-helper-go" $helper/cmd/spiffe-helper
    CGO_ENABLED=0 go_build go-helper "" -o "$1/go-oracle" ./oracle
    echo "build.sh: building SPIRE (several minutes the first time)"
    CGO_ENABLED=1 go_build spire \
        "-X $spire/pkg/common/version.gittag=$(pinned $spire "$here/spire/go.mod") \
         -linkmode external -extldflags '-static'" \
        -tags netgo,osusergo,sqlite_omit_load_extension \
        -o "$1/" $spire/cmd/spire-server $spire/cmd/spire-agent
}

find_go
out=$cache/$(build_key)
if ! complete "$out"; then
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    flock 9
    # Only the holder of the lock builds, so any other build/ is a dead one's.
    if ! complete "$out"; then
        rm -rf "$cache/build" "$out"
        trap 'rm -rf "$cache/build"' EXIT
        mkdir "$cache/build"
        build_all "$cache/build"
        mv -T "$cache/build" "$out"
        trap - EXIT
    fi
fi
echo "$out" >&3
