#!/usr/bin/env bash
# The whole story in the real window by keyboard alone, at several widths in both themes, with a picture of the screen after each step.
#
#     scripts/story_by_keyboard.sh PROGRAM OUT [WIDTH...]
#
# Widths are 800, 1024 and 1920 unless others are named. THEMES ("dark light") and METHOD ("Dampening", which takes seconds) may be set.
# Pictures and a list of the steps go to OUT/WIDTH-THEME. Needs what on_a_screen.sh and window_driver.py need.
set -euo pipefail

program=$(realpath "${1:?usage: scripts/story_by_keyboard.sh PROGRAM OUT [WIDTH...]}")
out=$(realpath -m "${2:?usage: scripts/story_by_keyboard.sh PROGRAM OUT [WIDTH...]}")
shift 2
[ $# -gt 0 ] || set -- 800 1024 1920
cd "$(dirname "$0")"
declare -A heights=([800]=600 [1024]=768 [1920]=1080)
failed=0
for width in "$@"; do
    height=${heights[$width]:-$((width * 5 / 8))}
    for theme in ${THEMES:-dark light}; do
        folder=$out/$width-$theme
        rm -rf "$folder"
        # The system's Python has the distribution's packages.
        ./on_a_screen.sh "$width" "$height" "${PYTHON:-/usr/bin/python3}" story_by_keyboard.py \
            "$program" "$folder" "$theme" "$width" "$height" "${METHOD:-Dampening}" || failed=1
        echo "$folder: $(find "$folder" -name '*.png' | wc -l) pictures"
    done
done
exit $failed
