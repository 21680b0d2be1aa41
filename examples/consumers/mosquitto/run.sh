#!/usr/bin/env bash
# mosquitto with certificates from spiffe-helper, and a development agent that renews them, until Ctrl-C. Variables:
# ../common/lib.sh. Not as root: mosquitto would become another user, who may not read the key.
. "$(dirname "${BASH_SOURCE[0]}")/../common/lib.sh"

begin
configure mosquitto.conf
run
