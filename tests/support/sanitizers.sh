# Sourced by the scripts that run sanitized programs: their options, in one place.
#
# The first report aborts the program, and the end-to-end tests look for reports in its stderr.
# The suppression files next to this one name third-party code only: gRPC, Protobuf and Abseil come as the
# distribution's archives, which are not instrumented.

support_directory=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

export ASAN_OPTIONS="detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1"
export LSAN_OPTIONS="suppressions=$support_directory/lsan.supp:print_suppressions=0"
export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1"
export TSAN_OPTIONS="suppressions=$support_directory/tsan.supp:print_suppressions=0:halt_on_error=1"
TSAN_OPTIONS+=":second_deadlock_stack=1"

# Thread sanitizer's memory map has no room for the 32 random address bits of some kernels. Sets
# sanitizer_prefix to the prefix of commands: nothing, or setarch without randomisation.
sanitizer_prefix=()
find_sanitizer_prefix() {
    local directory status=0
    directory=$(mktemp -d)
    echo 'int main() {}' >"$directory/probe.cc"
    if "${CXX:-g++}" -fsanitize=thread "$directory/probe.cc" -o "$directory/probe"; then
        local i
        # The addresses are random, so one successful start is not sufficient.
        for i in 1 2 3 4 5 6 7 8; do
            "$directory/probe" >/dev/null 2>&1 || { sanitizer_prefix=(setarch "$(uname -m)" -R); break; }
        done
        "${sanitizer_prefix[@]}" "$directory/probe" || status=1
    else
        status=1
    fi
    rm -rf "$directory"
    ((status == 0)) || echo "sanitizers.sh: programs built with -fsanitize=thread do not start here" >&2
    return "$status"
}
