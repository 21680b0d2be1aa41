#!/usr/bin/env bash
# Envoy with certificates from spiffe-helper, and a development agent that renews them, until Ctrl-C. Variables:
# ../common/lib.sh.
. "$(dirname "${BASH_SOURCE[0]}")/../common/lib.sh"

begin
configure envoy.yaml
run
