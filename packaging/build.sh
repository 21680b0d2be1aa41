#!/bin/bash
# Makes the artefacts that users install, in dist/, from a clean clone. The same commit gives the same bytes.
#
#   packaging/build.sh [--arch amd64|arm64] [--output DIRECTORY] [deb] [rpm] [image] [tarball] [sbom] [all]
#
#   deb       spiffe-helper and spiffe-dev-agent for Debian and Ubuntu
#   rpm       the same for RPM distributions
#   image     the container image, and its debug variant with busybox, as archives for `docker load`, `podman load`,
#             `zcat … | ctr images import -`
#   tarball   everything below a prefix, to unpack in /usr/local
#   sbom      SPDX list of the linked packages
#   all       (default) all of these
#   --arch    arm64 is cross-compiled on amd64; the default is this machine's
#   --output  another directory than dist/
#
# SHA256SUMS covers all files of that directory. SOURCE_DATE_EPOCH, unless set, is the time of the commit.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
umask 022
export LC_ALL=C TZ=UTC
# A package must not depend on the environment of its builder.
unset DESTDIR CPACK_GENERATOR

usage() {
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
}

machine=$(dpkg --print-architecture)
arch=$machine
wanted=()
dist=$root/dist
while (($#)); do
    case $1 in
        deb | rpm | image | tarball | sbom) wanted+=("$1") ;;
        all) wanted=(deb rpm image tarball sbom) ;;
        --arch) arch=${2:?--arch needs a name}; shift ;;
        --output) dist=${2:?--output needs a directory}; shift ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done
((${#wanted[@]})) || wanted=(deb rpm image tarball sbom)

case $arch in
    "$machine") preset=release ;;
    arm64) preset=release-arm64 ;;
    *) echo "error: cannot build for $arch on $machine" >&2; exit 2 ;;
esac
build=$root/build/$preset

mkdir -p "$dist"
dist=$(realpath "$dist")
cd "$root"
. packaging/image.sh
. scripts/build-env.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cached() { # cached NAME: a value of CMake's cache
    sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"
}

# The files of packages besides those of `cmake --install`.
package_files() {
    local out=$build/packaging maintainer date name
    local sysroot=()
    if [[ $preset == release-arm64 ]]; then sysroot=(--sysroot "$(cached CMAKE_SYSROOT)"); fi
    packaging/linked.py "$build" "$out" "${sysroot[@]}"
    maintainer=$(cached SPIFFE_MAINTAINER)
    date=$(date -R -d "@$SOURCE_DATE_EPOCH")
    gzip -9nc CHANGELOG.md >"$out/changelog.gz"
    for name in spiffe-helper spiffe-dev-agent; do
        printf '%s (%s-1) unstable; urgency=medium\n\n  * Version %s: see changelog.gz.\n\n -- %s  %s\n' \
            "$name" "$version" "$version" "$maintainer" "$date" | gzip -9nc >"$out/$name.changelog.Debian.gz"
    done
    printf '* %s %s - %s-1\n- Version %s: see CHANGELOG.md of the sources.\n' \
        "$(date -d "@$SOURCE_DATE_EPOCH" '+%a %b %d %Y')" "$maintainer" "$version" "$version" >"$out/changelog.rpm"
}

cpack_into_dist() { # cpack_into_dist GENERATOR SUFFIX
    cpack --config "$build/CPackConfig.cmake" -G "$1" -B "$work/$1" >"$work/cpack.log" 2>&1 || {
        cat "$work/cpack.log" "$work/$1"/_CPack_Packages/*/RPM/*.err >&2
        return 1
    }
    mv "$work/$1"/*."$2" "$dist/"
}

deb() { cpack_into_dist DEB deb; }
rpm() { cpack_into_dist RPM rpm; }

sbom() { cp "$build/packaging/sbom.spdx.json" "$dist/$name.spdx.json"; }

tarball() {
    local stage=$work/tarball
    DESTDIR=$stage cmake --install "$build" --prefix /usr/local >"$work/install.log"
    mv "$stage/usr/local" "$stage/$name"
    cp "$build/packaging/THIRD-PARTY-NOTICES.gz" "$stage/$name/share/doc/spiffe-helper/"
    tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --format=gnu \
        -cf - -C "$stage" "$name" | gzip -9n >"$dist/$name.tar.gz"
}

status=0
scripts/install-deps.sh package || status=$?
((status == 0 || status == 2)) || exit 1
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
if [[ $preset == release-arm64 ]]; then packaging/sysroot.sh arm64 build/sysroot-arm64; fi
build_preset "$preset"
version=$(cached CMAKE_PROJECT_VERSION)
name=spiffe-helper-$version-linux-$arch
package_files
for artefact in "${wanted[@]}"; do
    echo "== $artefact"
    "$artefact"
done
(cd "$dist" && find . -maxdepth 1 -type f ! -name SHA256SUMS -printf '%P\n' | sort | xargs sha256sum >SHA256SUMS)
(cd "$dist" && ls -l)
