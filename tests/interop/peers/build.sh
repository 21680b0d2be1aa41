#!/bin/bash
# Builds the programs the interop tests run against: a real SPIRE server and
# agent, the Go spiffe-helper, go-oracle, which says what the helper makes of a
# configuration, and OPA. Prints the directory that holds spire-server,
# spire-agent, spiffe-helper-go, go-oracle and opa; all else goes to stderr. Kept
# in a cache: see tests/support/go_peers.sh, also for the exit status.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
programs=(spire-server spire-agent spiffe-helper-go go-oracle opa)
. "$here/../../support/go_peers.sh"

# The helper is as upstream's release builds, without cgo: its speed is compared.
# SPIRE is static with cgo, because its sqlite datastore is C; the tags keep the
# C library's name service, which cannot be linked statically, out.
build_all() { # build_all OUT
    local spire=github.com/spiffe/spire helper=github.com/spiffe/spiffe-helper
    command -v "${CC:-gcc}" >/dev/null || unavailable "a C compiler is needed for SPIRE's sqlite"
    echo "build.sh: building the Go helper"
    CGO_ENABLED=0 go_build go-helper \
        "-X $helper/pkg/version.gittag=$(pinned $helper "$here/go-helper/go.mod")" \
        -o "$1/spiffe-helper-go" $helper/cmd/spiffe-helper
    CGO_ENABLED=0 go_build go-helper "" -o "$1/go-oracle" ./oracle
    echo "build.sh: building OPA"
    CGO_ENABLED=0 go_build_quickly opa "" -o "$1/opa" github.com/open-policy-agent/opa
    echo "build.sh: building SPIRE (several minutes the first time)"
    CGO_ENABLED=1 go_build_quickly spire \
        "-X $spire/pkg/common/version.gittag=$(pinned $spire "$here/spire/go.mod") \
         -linkmode external -extldflags '-static'" \
        -tags netgo,osusergo,sqlite_omit_load_extension \
        -o "$1/" $spire/cmd/spire-server $spire/cmd/spire-agent
}

find_go spire
build_once
