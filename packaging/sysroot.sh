#!/bin/bash
# Unpacks the packages of another architecture into a directory, for a cross build. The packages of this machine stay
# unchanged; apt uses package lists of its own for the other architecture.
#
#   packaging/sysroot.sh ARCHITECTURE DIRECTORY
#
# DIRECTORY/.packages has a list of files and the control file of each, for packaging/linked.py. Does nothing if the
# directory exists and is for the same packages.
set -euo pipefail

arch=${1:?usage: packaging/sysroot.sh ARCHITECTURE DIRECTORY}
sysroot=${2:?usage: packaging/sysroot.sh ARCHITECTURE DIRECTORY}
# The libraries of scripts/install-deps.sh, the C library, and packages for the debug image and the unit tests.
wanted=(libc6-dev libgrpc++-dev libprotobuf-dev libssl-dev libzstd-dev libevent-dev libcli11-dev libtomlplusplus-dev
        libyaml-dev nlohmann-json3-dev libfmt-dev catch2 busybox-static)

if [[ $(cat "$sysroot/.packages/wanted" 2>/dev/null) == "${wanted[*]}" ]]; then exit 0; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{lists/partial,cache/archives/partial,debs,root}
: >"$work/status"
# apt as if this were an empty machine of that architecture. The sources and keys are those of /etc/apt.
cat >"$work/apt.conf" <<END
APT::Architecture "$arch";
APT::Architectures { "$arch"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Retries "3";
Dir::State "$work";
Dir::State::lists "$work/lists";
Dir::State::status "$work/status";
Dir::Cache "$work/cache";
END
export APT_CONFIG=$work/apt.conf
apt-get -q update
apt-get -q -y --download-only install "${wanted[@]}"
mkdir "$work/root/.packages"
for deb in "$work"/cache/archives/*.deb; do
    name=$(dpkg-deb -f "$deb" Package)
    dpkg-deb -x "$deb" "$work/root"
    dpkg-deb -f "$deb" >"$work/root/.packages/$name.control"
    dpkg-deb --fsys-tarfile "$deb" | tar -t >"$work/root/.packages/$name.list"
done
# Links to absolute paths would lead out of the sysroot.
find "$work/root" -type l -lname '/*' -print0 | while IFS= read -r -d '' link; do
    ln -sfr "$work/root$(readlink "$link")" "$link"
done
echo "${wanted[*]}" >"$work/root/.packages/wanted"
rm -rf "$sysroot"
mkdir -p "$(dirname "$sysroot")"
mv "$work/root" "$sysroot"
