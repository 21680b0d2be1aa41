#!/bin/bash
# Runs the tests; the README's one command.
#
#   tests/run.sh [--preset PRESET] [--lab] [unit] [e2e] [interop] [packaging] [lab]
#
# Without names: all but the lab, which is added by --lab or CI=true. Installs what is missing
# (scripts/install-deps.sh), builds, runs the suites, cheap ones first, and ends with their results.
#
#   unit       Catch2 programs of build/release, by ctest
#   e2e        the programs of build/release against the development agent, by pytest
#   interop    the same programs against a real SPIRE and next to the Go helper; needs Go 1.26 or later
#   packaging  the same programs as they are installed, packaged and hardened, for amd64 and arm64, by pytest; needs
#              root on amd64, and Go for the tests with a real SPIRE
#   lab        the same programs in pods of a Kubernetes node that is started for it, by pytest; needs root and Go
#   --preset   take unit tests and programs from this preset, for example asan or tsan
#
# A suite that cannot run on this machine is named as "not run"; with CI=true that is a failure.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
unit_preset=check
program_preset=release
suites=()
ci=false
if [[ ${CI-} == true || ${CI-} == 1 ]]; then ci=true; fi
lab=$ci

usage() {
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
}

while (($#)); do
    case $1 in
        unit | e2e | interop | packaging | lab) suites+=("$1") ;;
        --lab) lab=true ;;
        --preset) unit_preset=${2:?--preset needs a name}; program_preset=$2; shift ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done
if ((${#suites[@]} == 0)); then
    suites=(unit e2e interop packaging)
    if $lab; then suites+=(lab); fi
fi

chosen() {
    [[ " ${suites[*]} " == *" $1 "* ]]
}

. scripts/build-env.sh
. tests/support/sanitizers.sh
logs=build/test-logs
results=$logs/results
mkdir -p "$logs"
: >"$results"

is_root() {
    (($(id -u) == 0))
}

# Debian's tools, chroots, and a compiler and an emulator for arm64.
can_package() {
    is_root && [[ $(uname -m) == x86_64 ]]
}

install_tools() {
    local status=0
    scripts/install-deps.sh test || status=$?
    if chosen packaging && can_package; then scripts/install-deps.sh package || status=$?; fi
    if chosen lab && is_root; then scripts/install-deps.sh lab || status=$?; fi
    # 2: another distribution. What is missing there will be named by who misses it.
    ((status == 0 || status == 2)) || exit 1
}

# The environment is made again when the pinned versions change.
make_venv() {
    venv=build/venv
    cmp -s tests/requirements.txt "$venv/requirements.txt" && return
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/requirements.txt
    cp tests/requirements.txt "$venv/requirements.txt"
}

result() { # result SUITE passed|failed|"not run" DETAIL
    printf '%-9s %-8s %s\n' "$1" "$2" "$3" >>"$results"
}

has_failed() {
    grep -qE '^[a-z0-9]+ +failed ' "$results" || { $ci && grep -qE '^[a-z0-9]+ +not run ' "$results"; }
}

# Runs a suite with its output shown and kept, and notes the runner's closing line.
run_suite() { # run_suite SUITE CLOSING-LINE-PATTERN COMMAND...
    local suite=$1 pattern=$2 outcome=passed closing
    shift 2
    echo "== $suite"
    "$@" </dev/null 2>&1 | tee "$logs/$suite.log" || outcome=failed
    closing=$(grep -E "$pattern" "$logs/$suite.log" | tail -n 1) || true
    if $ci && [[ $closing =~ [1-9][0-9]*\ (skipped|deselected) ]]; then
        outcome=failed
        closing+="  (with CI=true nothing may be left out)"
    fi
    result "$suite" "$outcome" "${closing:-no closing line: see $logs/$suite.log}"
}

run_pytest() { # run_pytest SUITE [OPTION...]
    local programs=$root/build/$program_preset agent=$root/build/$program_preset
    # The helper is what is tested. The agent is half of what runs otherwise; and thread sanitizer sees races that are
    # none in a gRPC server, whose callbacks are ordered by locks inside gRPC, which is not instrumented.
    if [[ $program_preset == *san ]]; then agent=$root/build/release; fi
    local options=() without
    if [[ $program_preset == *san ]]; then
        # A sanitizer's heap keeps what was freed, on purpose. The others test the agent, and rules for logs.
        without=(old_secrets dev_agent dev_agent_faults siem)
        # These start no program with several threads, or only with the threads that the other tests have: they are about
        # the content of files, permissions, children and output.
        if [[ $program_preset == tsan ]]; then
            without+=(bad_config completion config_command manual show
                combined consumer_permissions credential_folder fetch_formats jwks pkcs12 planted revoke_outputs trust_domains
                command_line init pid_file restarts terminal transcripts wrap_signals)
        fi
        options=("${without[@]/#/--ignore=tests/e2e/test_}")
        options=("${options[@]/%/.py}" --timeout=360)
    fi
    run_suite "$1" '^=+ .* in [0-9.]+s' \
        env SPIFFE_HELPER="$programs/spiffe-helper" SPIFFE_DEV_AGENT="$agent/spiffe-dev-agent" \
        PYTHONPYCACHEPREFIX="$root/build/pycache" \
        "${sanitizer_prefix[@]}" "$venv/bin/python" -m pytest "tests/$1" "${options[@]}" "${@:2}"
}

# A build that fails is the result of every suite that waited for it.
build_for() { # build_for PRESET SUITE
    local log=$logs/build-$1.log
    echo "== build $1"
    if build_preset "$1" </dev/null 2>&1 | tee "$log"; then return 0; fi
    result "$2" failed "the build of preset $1 failed: see $log"
    return 1
}

unit() {
    build_for "$unit_preset" unit || return 0
    # Without it the check of the metrics is left out, and with CI=true it fails.
    SPIFFE_PROMTOOL=$(tests/support/promtool.sh) || true
    export SPIFFE_PROMTOOL
    run_suite unit '% tests passed|No tests were found' \
        "${sanitizer_prefix[@]}" ctest --preset "$unit_preset" --no-tests=error -j "$(nproc)"
}

e2e() {
    build_for "$program_preset" e2e || return 0
    if [[ $program_preset == *san ]]; then build_for release e2e || return 0; fi
    # They wait more than they compute, but for sanitized programs. One at a time, or a worker keeps a queue while others
    # have nothing to do.
    local workers=$(($(nproc) * 5))
    if [[ $program_preset == *san ]]; then workers=$(($(nproc) + 1)); fi
    run_pytest e2e -n "$workers" --maxschedchunk 1
}

# Where they cannot be built that is the suite's result.
peers_for() { # peers_for SUITE BUILD-SCRIPT: sets peers
    local status=0 log=$logs/$1-peers.log reason
    peers=$("$2" 2> >(tee "$log" >&2)) || status=$?
    ((status != 0)) || return 0
    if ((status == 3)); then
        reason=$(tail -n 1 "$log")
        not_run "$1" "${reason#build.sh: }"
    else
        result "$1" failed "the peers could not be built: see $log"
    fi
    return 1
}

not_run() { # not_run SUITE REASON
    echo "not run: $1 tests: $2"
    result "$1" "not run" "$2"
}

interop() {
    local peers
    build_for "$program_preset" interop || return 0
    peers_for interop tests/interop/peers/build.sh || return 0
    # They wait as well; conftest.py says which not beside each other.
    SPIFFE_PEERS=$peers run_pytest interop -n "$(($(nproc) + 2))" --dist loadscope --no-loadscope-reorder
}

packaging() {
    # What users get, whatever the other suites test.
    local program_preset=release peers
    can_package || { not_run packaging "they need root on amd64"; return 0; }
    build_for release packaging || return 0
    # Without Go the tests with a real SPIRE are skipped.
    peers=$(tests/interop/peers/build.sh 2>"$logs/packaging-peers.log") || peers=''
    SPIFFE_PEERS=$peers run_pytest packaging
}

lab() {
    local program_preset=release peers spire
    is_root || { not_run lab "they need root"; return 0; }
    build_for release lab || return 0
    peers_for lab tests/interop/peers/build.sh || return 0
    spire=$peers
    peers_for lab tests/lab/peers/build.sh || return 0
    SPIFFE_PEERS=$spire SPIFFE_LAB_PEERS=$peers run_pytest lab
}

install_tools
if [[ ${suites[*]} != unit ]]; then make_venv; fi
if [[ $program_preset == tsan ]]; then find_sanitizer_prefix; fi
# Sanitized programs are slow: the factor for the waits of the end-to-end tests.
if [[ $program_preset == *san ]]; then export SPIFFE_TEST_SLOW=${SPIFFE_TEST_SLOW:-3}; fi
for suite in unit e2e packaging; do
    if chosen "$suite"; then "$suite"; fi
done
# These wait for servers more than they compute, and one's programs can be built while the other's run.
waiting=''
if chosen interop && chosen lab; then
    interop >"$logs/interop.out" 2>&1 &
    waiting=$!
elif chosen interop; then
    interop
fi
if chosen lab; then lab; fi
if [[ -n $waiting ]]; then
    wait "$waiting" || result interop failed "it ended early: see $logs/interop.out"
    cat "$logs/interop.out"
fi

echo "== results"
cat "$results"
if has_failed; then exit 1; fi
