#!/usr/bin/env bash
# Runs a command on a screen and a session bus of its own, with the accessibility bus on it and folders that are removed afterwards:
#
#     scripts/on_a_screen.sh WIDTH HEIGHT COMMAND...
#
# Needs Xvfb, dbus and at-spi2-core. SCREEN_NUMBER (95) is the number of the screen.
set -euo pipefail

width=${1:?usage: scripts/on_a_screen.sh WIDTH HEIGHT COMMAND...}
height=${2:?usage: scripts/on_a_screen.sh WIDTH HEIGHT COMMAND...}
shift 2
if [ -z "${ON_A_SCREEN:-}" ]; then
    # On a bus of its own, what is set there concerns nobody else.
    ON_A_SCREEN=1 exec dbus-run-session -- "$0" "$width" "$height" "$@"
fi
unset ON_A_SCREEN
launcher=
for path in /usr/libexec/at-spi-bus-launcher /usr/lib/at-spi2-core/at-spi-bus-launcher; do
    [ ! -x "$path" ] || launcher=$path
done
[ -n "$launcher" ] || { echo "on_a_screen: at-spi2-core is missing" >&2; exit 1; }
work=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT
export DISPLAY=:${SCREEN_NUMBER:-95} XDG_CONFIG_HOME=$work/config XDG_DATA_HOME=$work/data XDG_RUNTIME_DIR=$work/run
mkdir -m 700 "$XDG_CONFIG_HOME" "$XDG_DATA_HOME" "$XDG_RUNTIME_DIR"
# Without -r a key that a busy machine lets go late would be pressed again and again.
Xvfb "$DISPLAY" -r -screen 0 "${width}x${height}x24" >/dev/null 2>&1 &
pids+=($!)
"$launcher" --launch-immediately --a11y=1 --screen-reader=1 >/dev/null 2>&1 &
pids+=($!)
sleep 2
# A screen that somebody else has is not to be typed on.
kill -0 "${pids[0]}" 2>/dev/null || { echo "on_a_screen: there is no screen $DISPLAY to be had" >&2; exit 1; }
"$@"
