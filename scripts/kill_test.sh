#!/usr/bin/env bash
# Kills a run N times at random moments and resumes it each time: the result must be the bytes of an uninterrupted run, every
# mark must be there, and no file half written. Then the same run on a disk that is full at every possible moment, and in a
# folder that turns read-only (these two need the right to mount a tmpfs, and say so where it is missing).
#
#   scripts/kill_test.sh N [PROGRAM]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
kills=${1:?how many times? scripts/kill_test.sh N [PROGRAM]}
program=${2:-$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/unlearn-studio}
work=$(mktemp -d)
cleanup() {
  if mountpoint -q "$work/disk" 2>/dev/null; then umount "$work/disk"; fi
  rm -rf "$work"
}
trap cleanup EXIT

# Two hundred marks, a few iterations, everything saved after each of them.
python3 - "$work/marks.json" assets/models/digits-32.safetensors <<'PY'
import hashlib, json, sys
digest = hashlib.sha256(open(sys.argv[2], "rb").read()).hexdigest()
entry = lambda index: {"seed": 7, "index": index, "psi": 1.0}
marks = {"version": 1, "model_sha256": digest, "negatives": [entry(i) for i in range(60)],
         "positives": [entry(i) for i in range(60, 200)]}
json.dump(marks, open(sys.argv[1], "w"))
PY
run=(unlearn assets/models/digits-32.safetensors --feedback "$work/marks.json" --as-marked --samples 0 --device cpu
  --method adapt --adapt-iters $((kills / 4 + 4)) --iters $((kills + 12)) --save-every 0)
start() { "$program" "${run[@]}" --project "$1" --out "$2"; }
fail() { echo "kill_test: $*" >&2; exit 1; }

"$program" "${run[@]}" --project "$work/whole.unlearn" --out "$work/whole.safetensors" >/dev/null 2>&1 || fail "the uninterrupted run failed"
expected=$(sha256sum <"$work/whole.safetensors")

check_files() { # every file of a project can be read, and nothing else lies about
  python3 - "$1" "$work/marks.json" <<'PY'
import json, os, struct, sys
for folder, _, files in os.walk(sys.argv[1]):
    for name in files:
        path = os.path.join(folder, name)
        if name.endswith(".json"):
            json.load(open(path))
        elif name.endswith(".safetensors"):
            with open(path, "rb") as file:
                length = struct.unpack("<Q", file.read(8))[0]
                header = json.loads(file.read(length))
            end = max(t["data_offsets"][1] for key, t in header.items() if key != "__metadata__")
            assert os.path.getsize(path) == 8 + length + end, f"{path} is half written"
marks = os.path.join(sys.argv[1], "nodes/0/marks.json")
if os.path.exists(marks):
    kept, made = json.load(open(marks)), json.load(open(sys.argv[2]))
    assert (len(kept["negatives"]), len(kept["positives"])) == (len(made["negatives"]), len(made["positives"])), "marks are missing"
PY
}

resumed=0 started=0 project=$work/killed.unlearn out=$work/killed.safetensors
for ((kill = 1; kill <= kills; kill++)); do
  if grep -q '"unfinished"' "$project/project.json" 2>/dev/null; then
    "$program" resume "$project" --device cpu --save-every 0 >"$work/log" 2>&1 & resumed=$((resumed + 1))
  elif [ -f "$out" ]; then
    echo "the run was over after $((kill - 1)) kills"; break
  else
    # Not through the function: that would be a shell of its own, and the kill would hit that.
    "$program" "${run[@]}" --project "$project" --out "$out" >"$work/log" 2>&1 & started=$((started + 1))
  fi
  pid=$!
  sleep "$(awk -v r=$RANDOM 'BEGIN { printf "%.3f", 0.05 + 0.6 * r / 32767 }')"
  kill -KILL $pid 2>/dev/null || true
  wait $pid 2>/dev/null || true
  if [ -d "$project" ]; then check_files "$project" || fail "after kill $kill"; fi
done
while grep -q '"unfinished"' "$project/project.json" 2>/dev/null || [ ! -f "$out" ]; do
  if grep -q '"unfinished"' "$project/project.json" 2>/dev/null; then
    "$program" resume "$project" --device cpu >"$work/log" 2>&1 || fail "resume: $(cat "$work/log")"
  else
    start "$project" "$out" >"$work/log" 2>&1 || fail "start: $(cat "$work/log")"
  fi
done
check_files "$project"
[ "$(sha256sum <"$out")" = "$expected" ] || fail "the file is not that of the uninterrupted run"
[ -z "$(find "$project" -name '*.partial')" ] || fail "half a file was left: $(find "$project" -name '*.partial')"
echo "killed $((started + resumed)) times ($started from the start, $resumed resumed): the same bytes, all 200 marks, no half file"

mkdir -p "$work/disk"
if ! mount -t tmpfs -o size=1m none "$work/disk" 2>/dev/null; then
  echo "SKIPPED: full disk and read-only folder (mounting a tmpfs is not allowed here)"; exit 0
fi
umount "$work/disk"

# A disk of every size from nothing to enough: the run fails with one sentence or gives the same bytes; what is there can be
# opened, and with more room the run goes on from there.
full=0 whole=0
for ((kilobytes = 64; kilobytes <= 16384; kilobytes = kilobytes * 5 / 4 + 16)); do
  mount -t tmpfs -o size=${kilobytes}k none "$work/disk"
  project=$work/disk/p.unlearn out=$work/disk/out.safetensors
  if start "$project" "$out" >"$work/log" 2>"$work/errors"; then
    [ "$(sha256sum <"$out")" = "$expected" ] || fail "$kilobytes kB: other bytes"
    whole=$((whole + 1))
  else
    grep -q '^error: ' "$work/errors" || fail "$kilobytes kB: no sentence: $(cat "$work/errors")"
    if [ "$(grep -c panicked "$work/errors")" != 0 ]; then fail "$kilobytes kB: a panic: $(cat "$work/errors")"; fi
    if [ -f "$project/project.json" ]; then check_files "$project" || fail "$kilobytes kB"; fi
    full=$((full + 1))
    mount -o remount,size=64m "$work/disk"
    if grep -q '"unfinished"' "$project/project.json" 2>/dev/null; then
      "$program" resume "$project" --device cpu >"$work/log" 2>&1 || fail "$kilobytes kB, resume: $(cat "$work/log")"
    elif [ ! -f "$out" ]; then
      start "$project" "$out" >"$work/log" 2>&1 || fail "$kilobytes kB, again: $(cat "$work/log")"
    fi
    if [ -f "$out" ]; then [ "$(sha256sum <"$out")" = "$expected" ] || fail "$kilobytes kB: other bytes after going on"; fi
  fi
  umount "$work/disk"
done
echo "a full disk, $((full + whole)) sizes: $full failed with a sentence and went on with more room, $whole had enough"

# A folder that turns read-only while the run goes on.
mount -t tmpfs -o size=64m none "$work/disk"
project=$work/disk/p.unlearn out=$work/read-only.safetensors
"$program" "${run[@]}" --project "$project" --out "$out" >"$work/log" 2>"$work/errors" & pid=$!
for ((i = 0; i < 200; i++)); do [ -f "$project/nodes/1/run.safetensors" ] && break; sleep 0.05; done
until mount -o remount,ro "$work/disk" 2>/dev/null; do sleep 0.002; done
if wait $pid; then fail "a read-only folder went unnoticed"; fi
grep -q '^error: ' "$work/errors" || fail "read-only: no sentence: $(cat "$work/errors")"
check_files "$project" || fail "read-only"
mount -o remount,rw "$work/disk"
"$program" resume "$project" --device cpu >"$work/log" 2>&1 || fail "read-only, resume: $(cat "$work/log")"
[ "$(sha256sum <"$out")" = "$expected" ] || fail "read-only: other bytes"
echo "a folder that turned read-only: one sentence, and the same bytes once it could be written to again"
