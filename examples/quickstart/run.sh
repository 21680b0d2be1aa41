#!/usr/bin/env bash
# Shows spiffe-helper on one machine, without SPIRE: an agent issues an identity, spiffe-helper writes it to files and
# signals a program at every renewal. Installs missing packages, builds, runs for about 20 seconds, removes its files.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
ttl=15 # lifetime of an identity in seconds; it is renewed after half of it

bold='' dim='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
note() { printf '  %s\n' "$*"; }

agent=''
helper=''
work=''
cleanup() {
  local code=$?
  trap - EXIT INT TERM
  for pid in "$helper" "$agent"; do
    [ -n "$pid" ] || continue
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  [ -z "$work" ] || rm -rf "$work"
  exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
  printf 'error: %s\n' "$1" >&2
  if [ -n "$work" ]; then tail -n 20 "$work"/*.log >&2 || true; fi
  exit 1
}

# Waits until the command succeeds, for at most $1 seconds.
await() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    kill -0 "$helper" 2>/dev/null || return 1
    sleep 0.1
  done
}

build() {
  say "1. Build (some minutes the first time)"
  # 2: another distribution. The script has listed the packages; the user may have installed them.
  "$root/scripts/install-deps.sh" build || [ $? -eq 2 ] || fail "the build dependencies cannot be installed"
  cd "$root"
  local log="$root/build/quickstart.log"
  mkdir -p "$root/build"
  if ! { cmake --preset release && cmake --build --preset release; } >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    fail "the build failed; the complete output is in $log"
  fi
  note "build/release/spiffe-helper      $(du -h --apparent-size build/release/spiffe-helper | cut -f1), one static program"
  note "build/release/spiffe-dev-agent   a small agent, in place of SPIRE"
}

start_agent() {
  say "2. An agent that issues identities"
  "$root/build/release/spiffe-dev-agent" -socket "$work/agent.sock" -id /quickstart/app -ttl "${ttl}s" \
    >"$work/agent.log" 2>&1 &
  agent=$!
  local tries=0
  until grep -q '^listening on' "$work/agent.log" 2>/dev/null; do
    tries=$((tries + 1))
    if [ "$tries" -gt 100 ] || ! kill -0 "$agent" 2>/dev/null; then fail "the agent does not start"; fi
    sleep 0.1
  done
  note "It listens on a Unix socket and issues SVIDs: a certificate with the identity of the program, and"
  note "its private key. Here an SVID is valid for $ttl seconds; in production, an hour is common."
}

serial() { openssl x509 -in "$work/certs/svid.pem" -noout -serial 2>/dev/null | cut -d= -f2; }
loads() {
  local count=0
  [ ! -f "$work/app.log" ] || count=$(grep -c loaded "$work/app.log" || true)
  echo "$count"
}
loaded() { [ "$(loads)" -ge "$1" ]; }

start_helper() {
  say "3. spiffe-helper, with this configuration, and the program that it starts"
  sed 's/^/    /' "$here/helper.conf" | grep -v '^    #' | grep -v '^ *$'
  cp "$here/helper.conf" "$here/app.sh" "$work/"
  mkdir "$work/certs"
  (cd "$work" && exec "$root/build/release/spiffe-helper" -agent-address "unix://$work/agent.sock") \
    >"$work/helper.log" 2>&1 &
  helper=$!
  await 10 loaded 1 || fail "no identity arrived"
}

show_files() {
  say "4. The files"
  (cd "$work/certs" && for name in svid.pem svid_key.pem svid_bundle.pem; do
    case $name in
      svid.pem) what="the certificate: the identity of the program" ;;
      svid_key.pem) what="its private key, readable only by the owner" ;;
      *) what="the trust bundle: CAs that verify the certificates of others" ;;
    esac
    printf '  %s  %-16s %s\n' "$(stat -L -c %A "$name")" "$name" "$what"
  done)
  note ""
  note "The identity in svid.pem: $(openssl x509 -in "$work/certs/svid.pem" -noout -ext subjectAltName |
    sed -n 's/.*URI://p')"
  note "Does the chain verify?    $(cd "$work/certs" && openssl verify -partial_chain -CAfile svid_bundle.pem svid.pem)"
  note "The program says:         $(tail -n 1 "$work/app.log")"
}

# Counts down to the next renewal; on a terminal, on one line.
show_rotation() {
  local before wanted deadline left
  before=$(serial)
  wanted=$(($(loads) + 1))
  deadline=$((SECONDS + ttl + 5))
  [ -t 1 ] || note "… certificate ${before: -8} is renewed after about half of its $ttl seconds"
  while ! loaded "$wanted"; do
    [ "$SECONDS" -lt "$deadline" ] || fail "no renewal arrived"
    left=$(($(date -d "$(openssl x509 -in "$work/certs/svid.pem" -noout -enddate | cut -d= -f2)" +%s) - $(date +%s)))
    if [ -t 1 ]; then
      printf '\r  %scertificate %s is valid for %2d s more; it is renewed after about half of its lifetime%s ' \
        "$dim" "${before: -8}" "$left" "$plain"
    fi
    sleep 0.2
  done
  if [ -t 1 ]; then printf '\r%80s\r' ''; fi
  note "rotation $1: certificate ${before: -8} -> $(serial | tail -c 9), with its key, in one step"
  note "            the program says: $(tail -n 1 "$work/app.log")"
}

main() {
  build
  work=$(mktemp -d "${TMPDIR:-/tmp}/spiffe-quickstart.XXXXXX")
  start_agent
  start_helper
  show_files
  say "5. Two renewals, as they happen"
  show_rotation 1
  show_rotation 2
  say "6. The log of spiffe-helper"
  sed 's/^/  /' "$work/helper.log" | cut -c1-160
  say "7. SIGTERM: spiffe-helper ends the program, then itself"
  kill "$helper"
  local code=0
  wait "$helper" || code=$?
  helper=''
  note "the program says: $(tail -n 1 "$work/app.log")"
  note "the helper's exit code: $code"
  [ "$code" -eq 0 ] || fail "spiffe-helper ended with code $code"
  say "Next: \"Configure it\" in README.md, and examples/README.md."
}

main "$@"
