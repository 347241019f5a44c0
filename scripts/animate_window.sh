#!/usr/bin/env bash
# The animated picture of the README: drawn faces forget their hats in the real window, driven by mouse and keys on a screen of its own.
#
#     scripts/animate_window.sh PROGRAM OUT.gif [STEPS]
#
# Needs Xvfb, xdotool, imagemagick and gifsicle. Takes as long as a run of STEPS steps (300); settings and projects go to a folder
# that is removed. Positions are those of a window of 1360x860.
set -euo pipefail

program=$(realpath "$1")
out=$(realpath -m "$2")
steps=${3:-300}
cd "$(dirname "$0")/.."
work=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT
export DISPLAY=:${SCREEN_NUMBER:-94} XDG_CONFIG_HOME=$work/config XDG_DATA_HOME=$work/data XDG_RUNTIME_DIR=$work/run
mkdir -m 700 "$work/config" "$work/data" "$work/run"
# Without the line of first steps the grid begins right below its bar.
mkdir "$work/config/unlearn-studio"
echo '{ "first_steps_done": true }' >"$work/config/unlearn-studio/prefs.json"

Xvfb "$DISPLAY" -r -screen 0 1360x860x24 >/dev/null 2>&1 &
pids+=($!)
sleep 2
"$program" assets/models/avatars-64.safetensors --device cpu >"$work/log" 2>&1 &
pids+=($!)
until xdotool search --name 'avatars-64' >/dev/null 2>&1; do sleep 0.5; done
sleep 6
# Nobody else does where there is no window manager.
xdotool search --name 'avatars-64' windowfocus

frames=()
count=0
# The pointer rests where nothing says or does anything: in the middle of the top bar.
away() { xdotool mousemove 640 23; }
# A picture of the screen, the pointer out of the way, after so many seconds.
shoot() {
    printf -v shot "%s/%04d.png" "$work" $((count++))
    away
    sleep "$1"
    import -window root "$shot"
}
# Keeps the screen for so many hundredths of a second.
frame() {
    shoot "${2:-0.7}"
    frames+=(-delay "$1" "$shot")
}
# Clicks the sample in this row and column of the grid.
sample() { xdotool mousemove $((318 + 1106 * $2 / 10)) $((153 + 1106 * $1 / 10)) click "$3"; sleep 0.25; }
# Whether the run has begun: what is asked of it is written first.
begun() { compgen -G "$work/data/unlearn-studio/projects/*/nodes/1/request.json" >/dev/null; }
# Whether the run has ended: its node then has a report.
ended() { compgen -G "$work/data/unlearn-studio/projects/*/nodes/1/report.json" >/dev/null; }

frame 150
hats=("0 3" "0 5" "1 0" "1 3" "1 4" "1 5" "1 6" "2 4" "2 6" "3 3" "3 4" "3 5" "4 1" "4 4" "4 5" "5 1" "5 5" "5 6")
others=("0 0" "0 2" "0 6" "1 1" "2 1" "2 3" "3 0" "3 1" "3 2" "3 6" "4 0" "4 6" "5 0" "5 2")
for number in "${!hats[@]}"; do
    # shellcheck disable=SC2086 # row and column
    sample ${hats[number]} 1
    [ $((number % 3)) != 2 ] || frame 35
done
for number in "${!others[@]}"; do
    # shellcheck disable=SC2086
    sample ${others[number]} 3
    [ $((number % 4)) != 3 ] || frame 35
done
frame 80
# Suggest more like these.
xdotool mousemove 93 228 click 1
frame 200 20

# Fewer steps than the preset's.
xdotool mousemove 1248 239 click 1
sleep 0.5
xdotool key ctrl+a
xdotool type "$steps"
xdotool key Return
sleep 0.5
xdotool mousemove 1158 805 click 1
for _ in $(seq 60); do
    ! begun || break
    sleep 1
done
# Where the marks are weak it asks first; the second of its buttons begins the run.
if ! begun; then
    xdotool key Tab
    sleep 0.5
    xdotool key Return
fi
run=()
until ended; do
    shoot 5
    run+=("$shot")
done
# Of the run 18 pictures are enough.
for number in $(seq 0 17); do
    frames+=(-delay 30 "${run[$((number * ${#run[@]} / 18))]}")
done
frame 150
# Split, difference, after again.
away
for key in 3 4 1; do
    xdotool key $key
    frame 160 2
done

convert "${frames[@]}" -loop 0 -filter Lanczos -resize 1000x "$work/all.gif"
gifsicle -O3 --lossy=80 --colors 128 --no-warnings "$work/all.gif" -o "$out"
echo "$out: $(wc -c <"$out") bytes"
