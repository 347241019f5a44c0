#!/bin/sh
# Installs what building and running needs and is missing; says nothing where everything is there.
#
# Needed to build: a C compiler with the C library's headers (it links, and assembles tract's kernels) and Rust.
# Wanted to run: the Vulkan loader and a driver; without them the program computes on the CPU.
# With `window` as its argument: also what a window needs, a driver among them.
set -eu

cd "$(dirname "$0")/.."
PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH:/usr/sbin:/sbin"

say() {
    echo "setup: $*" >&2
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo "$@"
    else
        return 1
    fi
}

updated=no
# Installs Debian packages; fails where that is not possible.
apt() {
    command -v apt-get >/dev/null 2>&1 || return 1
    if [ "$updated" = no ]; then
        updated=yes
        as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q >&2 || say "apt-get update failed; trying with the old lists"
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" >&2
}

# $1: a command; the rest: packages that bring it.
need() {
    command -v "$1" >/dev/null 2>&1 && return
    wanted=$1
    shift
    say "$wanted is missing: installing $*"
    apt "$@" || {
        say "$wanted could not be installed: install it by hand (on Debian and Ubuntu: apt-get install $*)"
        exit 1
    }
}

need_c() {
    printf '#include <stdlib.h>\nint main(void) { return 0; }\n' |
        cc -x c -o /dev/null - >/dev/null 2>&1 && return
    say "no working C compiler: installing gcc and libc6-dev"
    apt gcc libc6-dev || {
        say "a C compiler could not be installed: install one by hand (on Debian and Ubuntu: apt-get install gcc libc6-dev)"
        exit 1
    }
}

has_driver() {
    for folder in /usr/share/vulkan/icd.d /usr/local/share/vulkan/icd.d /etc/vulkan/icd.d; do
        for file in "$folder"/*.json; do
            [ -e "$file" ] && return
        done
    done
    return 1
}

want_vulkan() {
    [ "$(uname -s)" = Linux ] || return 0
    packages=
    ldconfig -p 2>/dev/null | grep -q 'libvulkan\.so\.1' || packages=libvulkan1
    has_driver || packages="$packages mesa-vulkan-drivers"
    [ -n "$packages" ] || return 0
    say "no complete Vulkan for GPUs: installing$(printf ' %s' $packages)"
    # shellcheck disable=SC2086 # several packages
    apt $packages || say "Vulkan could not be installed: the program will compute on the CPU"
}

# The libraries that a window on X11 or Wayland opens when it starts.
want_window() {
    [ "$(uname -s)" = Linux ] || return 0
    packages=
    for pair in libX11.so.6=libx11-6 libX11-xcb.so.1=libx11-xcb1 libXcursor.so.1=libxcursor1 libXi.so.6=libxi6 \
        libxkbcommon.so.0=libxkbcommon0 libxkbcommon-x11.so.0=libxkbcommon-x11-0; do
        ldconfig -p 2>/dev/null | grep -q "${pair%%=*}" || packages="$packages ${pair#*=}"
    done
    [ -n "$packages" ] || return 0
    say "libraries for the window are missing: installing$packages"
    # shellcheck disable=SC2086 # several packages
    apt $packages || say "they could not be installed: the window may not open"
}

# Whether the version $1 is at least $2.
at_least() {
    [ "$(printf '%s\n%s\n' "$1" "$2" | sort -t . -k 1,1n -k 2,2n -k 3,3n | head -n 1)" = "$2" ]
}

need_rust() {
    oldest=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
    if command -v cargo >/dev/null 2>&1; then
        found=$(cargo --version | cut -d ' ' -f 2 | cut -d - -f 1)
        at_least "$found" "$oldest" && return
        say "Rust $found is older than $oldest: installing the current Rust with rustup"
    else
        say "Rust is missing: installing the current one with rustup"
    fi
    if command -v rustup >/dev/null 2>&1; then
        rustup toolchain install stable --profile minimal --component rustfmt --component clippy >&2
        rustup default stable >&2
        return
    fi
    need curl curl ca-certificates
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs |
        RUSTUP_INIT_SKIP_PATH_CHECK=yes sh -s -- -y --no-modify-path --profile minimal --default-toolchain stable \
            --component rustfmt --component clippy >&2
    command -v cargo >/dev/null 2>&1 || {
        say "Rust could not be installed: see https://rustup.rs"
        exit 1
    }
}

need_c
need_rust
want_vulkan
if [ "${1:-}" = window ]; then
    want_window
fi
