#!/bin/bash
# Installs missing packages on Debian 12, Debian 13 or Ubuntu 24.04 and later.
#
#   scripts/install-deps.sh [build|package|test|lab|ci]
#
#   build    (default) to compile the programs
#   package  and for packaging/build.sh and its tests
#   test     to compile, and for tests/run.sh
#   lab      and for the Kubernetes node of tests/lab
#   ci       and for .ci/run
#
# Downloads nothing if no package is missing. Exit status: 0 all installed, 2 another distribution (the list is
# printed), 1 any other error.
set -euo pipefail

# gRPC's development packages depend on Abseil, c-ares, RE2 and zlib. The static libcrypto of Debian 13 and later calls
# zstd.
build=(cmake ninja-build g++ libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc
       libssl-dev libzstd-dev libevent-dev libcli11-dev libtomlplusplus-dev libyaml-dev
       nlohmann-json3-dev libfmt-dev openssl)
# busybox is in the debug variant of the image. Packages are checked with lintian and rpmlint, and installed into
# directories made by debootstrap.
package=(buildah busybox-static git python3 rpm debootstrap lintian rpmlint)
# For arm64, on amd64: the compiler, and an emulator that runs the program for its manual pages and tests.
case $(uname -m) in x86_64) package+=(g++-aarch64-linux-gnu qemu-user-static) ;; esac
# The tests check the unit with systemd-analyze, path units with a systemd of their own, inotifywait, the shells'
# completions, the manual pages, and terminals with tmux and vi. haproxy, redis-server, postgresql, nginx, mosquitto and
# mariadb-server consume our files; on a machine with services, the packages start theirs, which the tests neither need
# nor change. nodejs watches files as its programs do. The JDK runs a program from its source, and has keytool. The
# examples are tested with curl, and use jq.
test=(catch2 python3 python3-venv ca-certificates ccache curl git systemd procps inotify-tools zsh fish man-db mandoc
      tmux vim-tiny haproxy redis-server postgresql nginx mosquitto mosquitto-clients mariadb-server nodejs jq
      default-jdk-headless)
# Containers, their network, and the content of the node's images and the tool to build them. On a machine with
# services, the package starts a containerd, which the tests neither need nor change.
lab=(containerd runc containernetworking-plugins iproute2 iptables busybox-static buildah)
ci=(clang-19 clang-format-19 libclang-rt-19-dev)

usage() {
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
}

case ${1-build} in
    build) wanted=("${build[@]}") ;;
    package) wanted=("${build[@]}" "${package[@]}") ;;
    test) wanted=("${build[@]}" "${test[@]}") ;;
    lab) wanted=("${build[@]}" "${test[@]}" "${lab[@]}") ;;
    ci) wanted=("${build[@]}" "${test[@]}" "${ci[@]}") ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 1 ;;
esac

unsupported() {
    echo "install-deps.sh: ${1%-99} is not one of the distributions this script knows (Debian 12 and 13," >&2
    echo "Ubuntu 24.04). Needed, by their Debian names, C++ libraries with their static archives:" >&2
    fold -s -w 96 <<<"${wanted[*]}" | sed 's/ *$//; s/^/    /' >&2
    echo "with CMake 3.25, g++ 12, gRPC 1.51, Protobuf 3.21, OpenSSL 3.0, libevent 2.1 or later." >&2
    exit 2
}

release() {
    [[ -r /etc/os-release ]] || { echo unknown; return; }
    # Debian testing and unstable have no VERSION_ID.
    (. /etc/os-release && echo "${ID-unknown}-${VERSION_ID-99}")
}

id=$(release)
version=${id#*-}
case $id in
    debian-*) ((${version%%.*} >= 12)) || unsupported "$id" ;;
    ubuntu-*) ((${version%%.*} >= 24)) || unsupported "$id" ;;
    *) unsupported "$id" ;;
esac

installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${wanted[@]}" 2>/dev/null || true)
missing=()
for package in "${wanted[@]}"; do
    grep -qxF "$package installed" <<<"$installed" || missing+=("$package")
done
((${#missing[@]})) || exit 0

as_root=()
if (($(id -u) != 0)); then
    command -v sudo >/dev/null || {
        echo "install-deps.sh: run as root, or install sudo: missing are ${missing[*]}" >&2
        exit 1
    }
    as_root=(sudo)
fi
echo "install-deps.sh: installing ${missing[*]}" >&2
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y
     -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
"${apt[@]}" update </dev/null
"${apt[@]}" install --no-install-recommends "${missing[@]}" </dev/null
