#!/bin/sh
# Installs a package, looks at it as a user would, and removes it again: sudo packaging/try_deb.sh FILE.deb
#
# On a screen of its own. Needs root, xvfb, xdotool, xdg-utils, shared-mime-info, desktop-file-utils and gio; installs what
# the package depends on. $PICTURE names a file for a picture of the screen (by imagemagick).
set -eu

package=$(realpath "${1:?usage: packaging/try_deb.sh FILE.deb}")
scratch=$(mktemp -d)
program=
screen=
# shellcheck disable=SC2086 # none, one or two
trap '[ -z "$program$screen" ] || kill $program $screen 2>/dev/null; rm -rf "$scratch"' EXIT
fail() {
    echo "try_deb: $*" >&2
    exit 1
}
# Everything of this name where programs and their data are installed.
traces() { find /usr /etc /opt /var/lib /var/cache -name '*unlearn-studio*' | sort; }

traces >"$scratch/before"
dpkg --status unlearn-studio >/dev/null 2>&1 && fail "it is installed already"
apt-get install --yes --no-install-recommends "$package" >/dev/null
# Some systems leave manuals out.
dpkg --listfiles unlearn-studio | grep -v '/share/\(man\|doc\)' | while read -r path; do
    [ -e "$path" ] || fail "$path was not installed"
done
echo "installed: $(dpkg-query --show --showformat '${Installed-Size}' unlearn-studio) kB"

unlearn-studio --version
model=/usr/share/unlearn-studio/assets/models/digits-32.safetensors
unlearn-studio info "$model" | head -n 3

# Which program opens such a file, by its type.
cp "$model" "$scratch/model.safetensors"
export XDG_CURRENT_DESKTOP=GNOME
type=$(xdg-mime query filetype "$scratch/model.safetensors")
[ "$type" = application/x-safetensors ] || fail "the model is a $type"
opener=$(xdg-mime query default "$type")
[ "$opener" = unlearn-studio.desktop ] || fail "$type is opened by '$opener'"
echo "$type: $opener"

# What the desktop entry says is what is started.
command=$(sed -n 's/^Exec=//p' "/usr/share/applications/$opener" | sed "s|%f|$scratch/model.safetensors|")
echo "starts: $command"
export XDG_CONFIG_HOME="$scratch/config" XDG_DATA_HOME="$scratch/data" XDG_RUNTIME_DIR="$scratch/run"
mkdir -m 700 "$XDG_CONFIG_HOME" "$XDG_DATA_HOME" "$XDG_RUNTIME_DIR"
Xvfb :97 -screen 0 1600x1000x24 >/dev/null 2>&1 &
screen=$!
sleep 2
cd "$scratch"
DISPLAY=:97 $command >"$scratch/log" 2>&1 &
program=$!
for _ in $(seq 60); do
    sleep 1
    title=$(DISPLAY=:97 xdotool search --name 'Unlearn Studio' getwindowname 2>/dev/null || true)
    case $title in model*) break ;; esac
    kill -0 "$program" 2>/dev/null || fail "it ended: $(cat "$scratch/log")"
done
echo "window: $title"
if [ -n "${PICTURE:-}" ]; then
    sleep 5
    DISPLAY=:97 import -window root "$PICTURE"
fi
kill "$program" "$screen"
wait "$program" "$screen" 2>/dev/null || true
program=
screen=
case $title in model*) ;; *) fail "the model was not opened" ;; esac
cd /

apt-get purge --yes unlearn-studio >/dev/null
traces >"$scratch/after"
diff "$scratch/before" "$scratch/after" || fail "it left something behind"
echo "removed without a trace"
