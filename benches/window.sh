#!/bin/sh
# How long the window's frames take: start, rest, 4096 samples scrolled through, training on the CPU.
#
#   benches/window.sh [MODEL [DEVICE]]        (make bench-window)
#
# Draws on the screen there is, else on a virtual one of 1360x860 (Xvfb, whose software Vulkan is the slowest a window can
# have). Takes about two minutes; numbers mean something only where nothing else runs.
set -eu
cd "$(dirname "$0")/.."
model=${1:-assets/models/avatars-64.safetensors}
device=${2:-cpu}
program=${UNLEARN_STUDIO:-target/release/unlearn-studio}
log=${FRAME_LOG:-}
[ -x "$program" ] || { echo "benches/window.sh: build first (cargo build --release)" >&2; exit 1; }

scratch=$(mktemp -d)
xvfb=
finish() {
  [ -z "$xvfb" ] || kill "$xvfb" 2>/dev/null || true
  rm -rf "$scratch"
}
trap finish EXIT INT TERM

echo "$(uname -sm), $(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN) cores, load $(cut -d' ' -f1-3 /proc/loadavg 2>/dev/null || uptime)"
if [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] && [ "$(uname -s)" = Linux ]; then
  command -v Xvfb >/dev/null || { echo "benches/window.sh: no screen and no Xvfb (package xvfb)" >&2; exit 1; }
  Xvfb -displayfd 3 -screen 0 1360x860x24 3>"$scratch/display" 2>/dev/null &
  xvfb=$!
  while [ ! -s "$scratch/display" ]; do sleep 0.1; done
  DISPLAY=:$(cat "$scratch/display")
  export DISPLAY
  echo "screen: Xvfb 1360x860"
fi
# The person's own settings and projects stay out of it.
XDG_CONFIG_HOME=$scratch XDG_DATA_HOME=$scratch "$program" "$model" --device "$device" --measure ${log:+--frame-log "$log"}
