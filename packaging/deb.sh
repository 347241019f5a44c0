#!/bin/sh
# Makes target/package/unlearn-studio_VERSION_ARCHITECTURE.deb of the built program. Needs dpkg-deb and objdump.
set -eu

cd "$(dirname "$0")/.."
out=${OUT:-${CARGO_TARGET_DIR:-target}/package}
root=$out/deb
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
architecture=$(dpkg --print-architecture)
maintainer=${MAINTAINER:-The developers of Unlearn Studio <developers@unlearn-studio.invalid>}

for tool in dpkg-deb objdump strip; do
    command -v "$tool" >/dev/null || {
        echo "deb: $tool is missing (on Debian and Ubuntu: apt-get install dpkg binutils)" >&2
        exit 1
    }
done

mkdir -p "$out"
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH
packaging/stage.sh "$root"

# Debian's forms of the licences and of the changes; its policy wants the files under these names.
doc=$root/usr/share/doc/unlearn-studio
cat >"$doc/copyright" <<END
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: Unlearn Studio
Comment: licences.gz beside this file has the licences of the crates in the program.

Files: *
Copyright: $(date -u -d "@$SOURCE_DATE_EPOCH" +%Y) $(sed -n 's/^Copyright (c) //p' LICENSE-MIT)
License: MIT or Apache-2.0

License: MIT
$(sed 's/^$/./; s/^/ /' LICENSE-MIT)

License: Apache-2.0
 On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.
END
rm "$doc/LICENSE-MIT" "$doc/LICENSE-APACHE"
gzip -9 -n >"$doc/changelog.gz" <<END
unlearn-studio ($version) unstable; urgency=medium

  * See CHANGELOG.md.gz.

 -- $maintainer  $(date -u -R -d "@$SOURCE_DATE_EPOCH")
END
chmod 644 "$doc/changelog.gz"

# The newest version of the C library that the program asks for.
libc=$(objdump -T "$root/usr/bin/unlearn-studio" | sed -n 's/.*(\{0,1\}GLIBC_\([0-9.]*\).*/\1/p' | sort -V | tail -n 1)
mkdir -p "$root/DEBIAN"
# Libraries of the window are opened when it starts, so no tool sees them in the program.
cat >"$root/DEBIAN/control" <<END
Package: unlearn-studio
Version: $version
Architecture: $architecture
Maintainer: $maintainer
Installed-Size: $(du -ks --apparent-size "$root/usr" | cut -f 1)
Section: science
Priority: optional
Depends: libc6 (>= $libc), libgcc-s1, libx11-6, libx11-xcb1, libxcursor1, libxi6, libxkbcommon0, libxkbcommon-x11-0
Recommends: libvulkan1, mesa-vulkan-drivers, libwayland-client0, xdg-desktop-portal | zenity
Description: make a generative model forget something and keep the rest
 Unlearn Studio makes a trained generative model stop producing something you
 don't want, and keep everything else. Open a model file, see a live grid of its
 samples, mark those that must go, and save the new weights: without Python,
 without a CUDA toolkit, and without training data.
 .
 It opens StyleGAN2, StyleGAN3, DCGAN and ViT-MAE models, and computes on a GPU
 through Vulkan or on the processor. A small model of drawn faces, one of digits
 and their classifiers come with it.
END
(cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
find "$root" -newermt "@$SOURCE_DATE_EPOCH" -print0 | xargs -0r touch -h -d "@$SOURCE_DATE_EPOCH"

package=$out/unlearn-studio_${version}_$architecture.deb
dpkg-deb --root-owner-group -Zxz --build "$root" "$package" >/dev/null
rm -rf "$root"
echo "$package: $(wc -c <"$package") bytes"
