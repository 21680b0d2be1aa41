# Sourced by packaging/build.sh: the container image, made by buildah without network, registry or root's storage.

image_context() { # image_context DIRECTORY
    local helper=$1/helper busybox=$1/busybox applet docs
    docs=$helper/usr/share/doc/spiffe-helper
    mkdir -p "$helper"/{usr/bin,etc,tmp} "$docs" "$busybox/bin"
    cp "$build/spiffe-helper" "$helper/usr/bin/"
    ln -s usr/bin/spiffe-helper "$helper/spiffe-helper"
    cp LICENSE "$build/packaging/THIRD-PARTY-NOTICES.gz" "$build/packaging/sbom.spdx.json" "$docs/"
    echo 'nonroot:x:65532:65532::/:/sbin/nologin' >"$helper/etc/passwd"
    echo 'nonroot:x:65532:' >"$helper/etc/group"
    chmod 1777 "$helper/tmp"
    cp "$(busybox_program)" "$busybox/bin/busybox"
    # The applets are the same on every architecture.
    for applet in $(/bin/busybox --list); do
        [[ $applet == busybox ]] || ln -s busybox "$busybox/bin/$applet"
    done
}

busybox_program() {
    if [[ $preset == release-arm64 ]]; then
        echo "$(cached CMAKE_SYSROOT)/bin/busybox"
    else
        echo /bin/busybox
    fi
}

buildah_here() { # buildah_here COMMAND...: with storage of its own
    buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"
}

image_archive() { # image_archive TARGET TAG FILE
    local reference=localhost/spiffe-helper:$2 raw=$work/$1.tar
    # Docker's format, because OCI's has no HEALTHCHECK.
    buildah_here build --isolation chroot --format docker --timestamp "$SOURCE_DATE_EPOCH" --arch "$arch" \
        --target "$1" --tag "$reference" --file packaging/Dockerfile \
        --build-arg "VERSION=$version" --build-arg "REVISION=$(git rev-parse HEAD)" \
        --build-arg "CREATED=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)" "$work/context"
    buildah_here push "$reference" "docker-archive:$raw:$reference"
    packaging/repack_image.py "$raw" | gzip -9n >"$3"
}

image() {
    image_context "$work/context"
    image_archive helper "$version" "$dist/$name.image.tar.gz" >"$work/image.log" 2>&1 &&
        image_archive debug "$version-debug" "$dist/$name-debug.image.tar.gz" >>"$work/image.log" 2>&1 || {
        cat "$work/image.log" >&2
        return 1
    }
}
