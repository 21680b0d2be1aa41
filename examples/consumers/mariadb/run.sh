#!/usr/bin/env bash
# MariaDB with certificates from spiffe-helper, and a development agent that renews them, until Ctrl-C. Variables:
# ../common/lib.sh. Not as root, which MariaDB refuses to run as.
. "$(dirname "${BASH_SOURCE[0]}")/../common/lib.sh"

install() {
    configure mariadb.cnf
    mariadb-install-db --no-defaults --datadir="$dir/data" --skip-test-db --auth-root-authentication-method=socket \
        --auth-root-socket-user="$(id -un)" >install.log 2>&1 || fail "$(cat install.log)"
}

begin install
run
