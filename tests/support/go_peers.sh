# Sourced by the build.sh of a directory of pinned Go modules, whose programs tests run against. It sets `here` (that
# directory) and `programs` (their names), defines build_all OUT, and calls `find_go MODULE-DIRECTORY` and build_once.
#
# The programs are kept in a cache, in a directory named by a hash of everything that decides what is built, so only the
# first call builds (minutes). build_once prints that directory; all else goes to stderr.
#
# Exit status: 0 built, 3 cannot be built here (the reason is one line on stderr), anything else a failed build.

support=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${SPIFFE_HELPER_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/spiffe-helper-peers}

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

find_go() { # find_go MODULE-DIRECTORY: the one that needs the newest Go
    if ! command -v go >/dev/null && [[ -x /usr/local/go/bin/go ]]; then
        PATH=$PATH:/usr/local/go/bin
    fi
    local want have
    want=$(awk '$1 == "go" { print $2; exit }' "$here/$1/go.mod")
    command -v go >/dev/null || unavailable "Go $want or later is needed and no go is in PATH"
    go_version=$(go version)
    have=$(awk '{ sub(/^go/, "", $3); print $3 }' <<<"$go_version")
    at_least "$have" "$want" || unavailable "Go $want or later is needed, $(command -v go) is $have"
}

build_key() {
    {
        echo "$go_version"
        sha256sum <"$support/go_peers.sh"
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

# For large programs that are only to be there: not optimised, C code in them neither, which takes 40 % less time to
# build. Nothing that is measured may be built so.
go_build_quickly() { # go_build_quickly MODULE-DIRECTORY LDFLAGS ARGUMENT...
    CGO_CFLAGS=-O0 go_build "${@:1:2}" "-gcflags=all=-N -l -dwarf=false" "${@:3}"
}

build_once() {
    local out
    out=$cache/$(build_key)
    # One lock for each directory of modules, by its name: they do not wait for each other.
    lock=$cache/$(basename "$(dirname "$here")").lock
    if ! complete "$out"; then
        mkdir -p "$cache"
        exec 9>"$lock"
        flock 9
        # Only the holder of the lock builds, so any other unfinished directory is a dead one's.
        if ! complete "$out"; then
            rm -rf "$lock.unfinished" "$out"
            trap 'rm -rf "$lock.unfinished"' EXIT
            mkdir "$lock.unfinished"
            build_all "$lock.unfinished"
            mv -T "$lock.unfinished" "$out"
            trap - EXIT
        fi
    fi
    echo "$out" >&3
}
