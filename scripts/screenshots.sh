#!/usr/bin/env bash
# Makes the pictures of the window that the documents show, from a built program:
#
#     scripts/screenshots.sh PROGRAM [OUT [NAME...]]
#
# OUT is assets/screenshots unless named. NAMEs are those of screenshots.py (marks, where, projects, completions): all without one.
# Takes some twenty minutes on two cores, most of it runs; the README's animated picture has a script of its own (animate_window.sh). Needs
# what on_a_screen.sh and window_driver.py need.
set -euo pipefail

program=$(realpath "${1:?usage: scripts/screenshots.sh PROGRAM [OUT [NAME...]]}")
out=$(realpath -m "${2:-$(dirname "$0")/../assets/screenshots}")
shift $(($# > 2 ? 2 : $#))
[ $# -gt 0 ] || set -- marks where projects completions
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for name in "$@"; do
    # The system's Python has the distribution's packages.
    ./on_a_screen.sh 1360 860 "${PYTHON:-/usr/bin/python3}" screenshots.py "$program" "$work/$name" "$name"
    mkdir -p "$out"
    for picture in "$work/$name"/*.png; do
        # 256 colours are enough, and a third of the bytes.
        convert "$picture" -strip -colors 256 "PNG8:$out/$(basename "$picture")"
        echo "$out/$(basename "$picture")"
    done
done
