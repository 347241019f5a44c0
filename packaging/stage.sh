#!/bin/sh
# Lays out what is installed on Linux below a folder: packaging/stage.sh ROOT
#
# The program comes from $PROGRAM, else from cargo's release folder. Both packages for Linux are made of this tree.
set -eu

cd "$(dirname "$0")/.."
root=${1:?usage: packaging/stage.sh ROOT}
program=${PROGRAM:-${CARGO_TARGET_DIR:-target}/release/unlearn-studio}
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
# Packages made twice from one commit are the same.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH

[ -x "$program" ] || {
    echo "stage: there is no $program: run \`make build\` first" >&2
    exit 1
}

share=$root/usr/share
put() { install -D -m 644 "$1" "$2"; }
put_packed() {
    mkdir -p "$(dirname "$2")"
    gzip -9 -n <"$1" >"$2"
    chmod 644 "$2"
}

rm -rf "$root"
install -D -m 755 "$program" "$root/usr/bin/unlearn-studio"
strip --strip-unneeded "$root/usr/bin/unlearn-studio"

# The bundled models and labelers, where the program looks for them (src/app/state/bundled.rs).
for file in assets/models/*.safetensors assets/models/README.md assets/labelers/*.onnx assets/labelers/README.md; do
    put "$file" "$share/unlearn-studio/$file"
done

put packaging/linux/unlearn-studio.desktop "$share/applications/unlearn-studio.desktop"
put packaging/linux/unlearn-studio.xml "$share/mime/packages/unlearn-studio.xml"
put packaging/icons/unlearn-studio.svg "$share/icons/hicolor/scalable/apps/unlearn-studio.svg"
for side in 32 48 128 256; do
    put packaging/icons/unlearn-studio-$side.png "$share/icons/hicolor/${side}x$side/apps/unlearn-studio.png"
done
mkdir -p "$share/metainfo"
sed "s/@VERSION@/$version/; s/@DATE@/$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%d)/" \
    packaging/linux/unlearn-studio.metainfo.xml >"$share/metainfo/unlearn-studio.metainfo.xml"
chmod 644 "$share/metainfo/unlearn-studio.metainfo.xml"

manuals=$(mktemp -d)
trap 'rm -rf "$manuals"' EXIT
"$program" manuals --out "$manuals" >/dev/null
for page in "$manuals"/man1/*.1; do
    put_packed "$page" "$share/man/man1/$(basename "$page").gz"
done
put "$manuals/bash/unlearn-studio" "$share/bash-completion/completions/unlearn-studio"
put "$manuals/zsh/_unlearn-studio" "$share/zsh/vendor-completions/_unlearn-studio"
put "$manuals/fish/unlearn-studio.fish" "$share/fish/vendor_completions.d/unlearn-studio.fish"

doc=$share/doc/unlearn-studio
put LICENSE-MIT "$doc/LICENSE-MIT"
put LICENSE-APACHE "$doc/LICENSE-APACHE"
put_packed CHANGELOG.md "$doc/CHANGELOG.md.gz"
packaging/licences.sh >"$manuals/licences"
put_packed "$manuals/licences" "$doc/licences.gz"
