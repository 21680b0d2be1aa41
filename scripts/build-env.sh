# Sourced by the scripts that build: the number of parallel compilers, and ccache if it is installed.
#
# A compiler on gRPC's headers takes about 1 GB, a static link somewhat less, so memory limits the number of
# jobs as well as processors do.

build_jobs() {
    local processors gigabytes
    processors=$(nproc)
    gigabytes=$(awk '/^MemAvailable:/ { print int($2 / 1000000) }' /proc/meminfo)
    ((gigabytes >= 1)) || gigabytes=1
    echo $((processors < gigabytes ? processors : gigabytes))
}

export CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$(build_jobs)}
if command -v ccache >/dev/null; then
    export CMAKE_CXX_COMPILER_LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER-ccache}
fi

# One build at a time in a directory: parallel callers build the same targets.
build_preset() { # build_preset PRESET [OPTION...]
    mkdir -p "$root/build"
    # The presets check and release share a directory.
    local lock=$root/build/${1/check/release}.lock
    (cd "$root" && flock 9 && cmake --preset "$1" && cmake --build --preset "$@") 9>"$lock"
}
