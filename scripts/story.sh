#!/usr/bin/env bash
# A whole story in the real window, at several widths in both themes, with a picture of the screen after each step.
#
#     scripts/story.sh PROGRAM OUT [WIDTH...]
#
# Widths are 800, 1024 and 1920 unless others are named. What may be set, with what it is otherwise:
#     STORIES="marks"          the stories: "marks" (mark, let it suggest, unlearn, pause, stop, go on, compare, save, use as starting point)
#                              and "labeler" (a classifier sorts the grid and decides), of which the second needs the keyboard
#     HANDS="keyboard mouse"   what the window is used with: one of them alone (paths are typed either way)
#     THEMES="dark light"
#     MODEL, STEPS=30          of the first story: a model in place of the bundled digits, and how many steps it unlearns in
#     METHOD="Dampening"       of the labeler's story: takes seconds
# Pictures and a list of the steps go to OUT/STORY-HAND-WIDTH-THEME. Needs what on_a_screen.sh and window_driver.py need.
set -euo pipefail

program=$(realpath "${1:?usage: scripts/story.sh PROGRAM OUT [WIDTH...]}")
out=$(realpath -m "${2:?usage: scripts/story.sh PROGRAM OUT [WIDTH...]}")
shift 2
[ $# -gt 0 ] || set -- 800 1024 1920
cd "$(dirname "$0")"
declare -A heights=([800]=600 [1024]=768 [1920]=1080)
failed=0
for width in "$@"; do
    height=${heights[$width]:-$((width * 5 / 8))}
    for theme in ${THEMES:-dark light}; do
        for story in ${STORIES:-marks}; do
            for hand in ${HANDS:-keyboard mouse}; do
                folder=$out/$story-$hand-$width-$theme
                rm -rf "$folder"
                # The system's Python has the distribution's packages.
                ./on_a_screen.sh "$width" "$height" "${PYTHON:-/usr/bin/python3}" story.py \
                    "$program" "$folder" "$theme" "$width" "$height" "$story" "$hand" "${METHOD:-Dampening}" || failed=1
                echo "$folder: $(find "$folder" -name '*.png' | wc -l) pictures"
            done
        done
    done
done
exit $failed
