#!/bin/sh
# Makes target/package/unlearn-studio-VERSION-ARCHITECTURE.AppImage of the built program. Needs mksquashfs.
#
# An AppImage is a runtime with a file system behind it. The runtime is a file of the AppImage project (type2-runtime); it is
# downloaded once, and checked, unless $APPIMAGE_RUNTIME names one.
set -eu

cd "$(dirname "$0")/.."
out=${OUT:-${CARGO_TARGET_DIR:-target}/package}
root=$out/unlearn-studio.AppDir
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
architecture=$(uname -m)
release=20251108
# Of the runtime for x86_64 in that release.
digest=2fca8b443c92510f1483a883f60061ad09b46b978b2631c807cd873a47ec260d

fail() {
    echo "appimage: $*" >&2
    exit 1
}
command -v mksquashfs >/dev/null || fail "mksquashfs is missing (on Debian and Ubuntu: apt-get install squashfs-tools)"
mkdir -p "$out"
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH

runtime=${APPIMAGE_RUNTIME:-$out/runtime-$release-$architecture}
if [ -z "${APPIMAGE_RUNTIME:-}" ]; then
    [ "$architecture" = x86_64 ] || fail "only the runtime for x86_64 is known here; name another with APPIMAGE_RUNTIME=FILE"
    if [ ! -f "$runtime" ]; then
        url=https://github.com/AppImage/type2-runtime/releases/download/$release/runtime-$architecture
        curl --fail --location --silent --show-error --output "$runtime.part" "$url" ||
            fail "the runtime could not be downloaded from $url; name one with APPIMAGE_RUNTIME=FILE"
        mv "$runtime.part" "$runtime"
    fi
    echo "$digest  $runtime" | sha256sum --check --status || fail "$runtime is not the file it should be; delete it"
elif [ ! -f "$runtime" ]; then
    fail "there is no $runtime"
fi

packaging/stage.sh "$root"
# The program finds its models beside itself, so it can be started without a script before it.
ln -s usr/bin/unlearn-studio "$root/AppRun"
ln -s usr/share/applications/unlearn-studio.desktop "$root/unlearn-studio.desktop"
ln -s usr/share/icons/hicolor/256x256/apps/unlearn-studio.png "$root/unlearn-studio.png"
ln -s unlearn-studio.png "$root/.DirIcon"

image=$out/unlearn-studio-$version-$architecture.AppImage
rm -f "$out/files.squashfs"
# shellcheck disable=SC2086 # several words
mksquashfs "$root" "$out/files.squashfs" -root-owned -noappend -no-progress -quiet ${SQUASHFS:--comp zstd -Xcompression-level 19}
cat "$runtime" "$out/files.squashfs" >"$image"
chmod 755 "$image"
rm -rf "$root" "$out/files.squashfs"
echo "$image: $(wc -c <"$image") bytes"
