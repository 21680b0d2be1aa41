#!/usr/bin/env bash
# A server in Go with certificates from spiffe-helper, and a development agent that renews them, until Ctrl-C. Variables:
# ../common/lib.sh.
. "$(dirname "${BASH_SOURCE[0]}")/../common/lib.sh"

build() {
    configure go.mod
    configure main.go
    CGO_ENABLED=0 go build -trimpath -o server . || fail "go build failed"
}

begin build
run
