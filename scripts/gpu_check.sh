#!/bin/sh
# Checks and measures everything on a machine with a GPU that has no network and no Rust.
#
#   scripts/gpu_check.sh pack OUT.tar.xz [CHECKOUT]   here: builds, and packs what the other machine needs
#   gpu_check/run.sh [OUT]                            there, after tar -xf OUT.tar.xz: runs it; OUT (gpu_check/out) keeps every output
#
# CHECKOUT, one of rosinality's stylegan2-pytorch, lets the other machine time the authors' code too where it has PyTorch. GOLDEN (../shared/golden where it
# is, else the repository's own) is the folder of golden checkpoints. Prints one table for benches/README.md at the end.
# DEVICE=cpu tries the script without a GPU; PYTHON is the Python with PyTorch. TINY=1 tries it in minutes, also on a GPU in software: the smallest golden
# checkpoint, networks of two channels in place of all others, a job of a few iterations. What its table says then means nothing.
set -eu

pack() {
    out=$1
    checkout=${2:+$(realpath "$2")}
    case $out in /*) ;; *) out=$PWD/$out ;; esac
    cd "$(dirname "$0")/.."
    export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    to=$scratch/gpu_check
    mkdir -p "$to/models"
    cargo build --release --message-format short >&2
    # The program and what cargo names as built for a test and a bench.
    cargo build --release --message-format json 2>/dev/null | executable unlearn-studio "$to/unlearn-studio"
    cargo test --release --no-run --test golden --message-format json 2>/dev/null | executable golden "$to/golden"
    cargo bench --no-run --bench iteration --message-format json 2>/dev/null | executable iteration "$to/iteration"
    strip "$to/unlearn-studio" "$to/golden" "$to/iteration"
    cp assets/models/avatars-64.safetensors assets/labelers/avatars.onnx "$to/models/"
    golden=${GOLDEN:-../shared/golden}
    [ -d "$golden" ] || golden=tests/fixtures/golden
    cp -r "$golden" "$to/golden_files"
    cp scripts/bench_stylegan2_in_pytorch.py "$to/"
    cp scripts/gpu_check.sh "$to/run.sh"
    if [ -n "$checkout" ]; then
        mkdir "$to/authors"
        cp -r "$checkout/model.py" "$checkout/train.py" "$checkout/op" "$to/authors/"
    fi
    git rev-parse --short HEAD >"$to/commit" 2>/dev/null || echo unknown >"$to/commit"
    tar -C "$scratch" -c gpu_check | xz -T0 -6 --x86 --lzma2=preset=6e,dict=192MiB >"$out"
    echo "$out: $(du -m "$out" | cut -f1) MB; unpack it there and run gpu_check/run.sh" >&2
}

# Copies the program that cargo's messages on standard input name: $1 its target, $2 where to.
executable() {
    path=$(sed -n "s/.*\"name\":\"$1\".*\"executable\":\"\([^\"]*\)\".*/\1/p" | tail -n 1)
    [ -n "$path" ] || { echo "gpu_check: cargo built no $1" >&2; exit 1; }
    cp "$path" "$2"
}

# Peak of the GPU's memory in MiB while a command runs, into $1; the rest is the command.
with_peak() {
    peak=$1
    shift
    if command -v nvidia-smi >/dev/null 2>&1; then
        nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits -lms 100 >"$peak.all" 2>/dev/null &
        watcher=$!
        passed=0
        "$@" || passed=$?
        kill "$watcher" 2>/dev/null || true
        sort -n "$peak.all" | tail -n 1 >"$peak"
        rm -f "$peak.all"
        return "$passed"
    fi
    echo - >"$peak"
    "$@"
}

step() {
    printf '%s  %s\n' "$(date +%H:%M:%S)" "$1" >&2
}

# The median of a row of the bench's table, with its unit: $1 the bench, $2 the size, $3 the table (iteration.txt unless given). A row is
# "│  ├─ size  fastest │ slowest │ median │ ...", that of a bench itself has no numbers. Works where awk knows bytes only.
median() {
    awk -v bench="$1" -v size="$2" '
        { sub(/^(│  |   )*(├─ |╰─ )/, ""); cells = split($0, cell, "│") }
        cells > 3 && cell[3] ~ /^ *$/ { split(cell[1], word, " "); current = word[1] }
        current == bench && index(cell[1], size " ") == 1 && cell[3] ~ /^ *[0-9]/ { gsub(/^ +| +$/, "", cell[3]); found = cell[3]; exit }
        END { print found == "" ? "not measured" : found }
    ' "$out/${3:-iteration.txt}"
}

# A part of PyTorch's output for a size: $1 the part, $2 the size's file.
of_pytorch() {
    if [ -f "$2" ]; then
        awk -v part="$1" '$1 == part { found = $2 " ms" } END { print found == "" ? "failed" : found }' "$2"
    else
        echo -
    fi
}

run() {
    here=$(cd "$(dirname "$0")" && pwd)
    out=${1:-$here/out}
    mkdir -p "$out"
    device=${DEVICE:-gpu}
    python=${PYTHON:-python3}
    export UNLEARN_DEVICE="$device" UNLEARN_GOLDEN="$here/golden_files"
    job="--labelled 3000 --samples 2000"
    if [ -n "${TINY:-}" ]; then
        export UNLEARN_TINY=1
        SAMPLES=1
        job="--labelled 64 --samples 16 --iters 2 --batch 4"
        # Files of one checkpoint share their name up to the first dot.
        smallest=$(cd "$UNLEARN_GOLDEN" && ls -Sr ./*.p* | sed -n '1s|^\./\([^.]*\).*|\1|p')
        mkdir -p "$out/golden_files"
        cp "$UNLEARN_GOLDEN/$smallest".* "$out/golden_files/"
        UNLEARN_GOLDEN="$out/golden_files"
    fi
    failed=0

    step "golden parity on the $device, all families"
    with_peak "$out/golden.peak" "$here/golden" --nocapture >"$out/golden.txt" 2>&1 || failed=1
    golden=$(grep '^test result' "$out/golden.txt" | tail -n 1)

    step "the training iteration"
    for part in iteration d_step r1 g_step path_length sample; do
        # Paths begin with the name of the program, and what matches none passes in silence; `median` finds that.
        with_peak "$out/$part.peak" "$here/iteration" --bench "^iteration::$part::" --sample-count "${SAMPLES:-3}" ${ITERATION_OPTIONS:-} || failed=1
        # A bench that panics leaves its row unfinished.
        echo
    done >"$out/iteration.txt" 2>"$out/iteration.err"
    with_peak "$out/large.peak" "$here/iteration" --bench "^iteration::large_" >>"$out/iteration.txt" 2>>"$out/iteration.err" || failed=1

    if [ "$device" = gpu ]; then
        step "the same in half precision"
        export UNLEARN_HALF_PRECISION=on
        with_peak "$out/half-iteration.peak" "$here/iteration" --bench "^iteration::iteration::" --sample-count "${SAMPLES:-3}" ${ITERATION_OPTIONS:-} \
            >"$out/half.txt" 2>"$out/half.err" || failed=1
        echo >>"$out/half.txt"
        with_peak "$out/half-large.peak" "$here/iteration" --bench "^iteration::large_" >>"$out/half.txt" 2>>"$out/half.err" || failed=1
        unset UNLEARN_HALF_PRECISION
    fi

    if [ -d "$here/authors" ] && "$python" -c 'import torch' 2>/dev/null; then
        where=cuda
        "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' && [ "$device" = gpu ] || where=cpu
        time_authors() {
            name=$1
            shift
            step "the authors' code on $where: $name"
            "$python" "$here/bench_stylegan2_in_pytorch.py" "$here/authors" --device "$where" "$@" >"$out/pytorch-$name.txt" 2>"$out/pytorch-$name.err" ||
                { echo "  failed: see $out/pytorch-$name.err" >&2; failed=1; }
        }
        time_authors 32-32 --channels 32,32,32,32
        time_authors 64-64 --channels 64,64,64,64,64
        time_authors 32-512 --channels 512,512,512,512 --parts d_step,g_step
        time_authors 128 --channels 256,256,256,256,128,64 --parts d_step,g_step
        [ "$where" = cpu ] || time_authors 256-F --channels 512,512,512,512,512,256,128 --parts d_step,g_step
    else
        step "no PyTorch or no checkout of the authors' code: nothing is timed beside ours"
    fi

    step "the main job: drawn faces at 64x64 forget hats"
    with_peak "$out/job.peak" "$here/unlearn-studio" unlearn "$here/models/avatars-64.safetensors" --labeler "$here/models/avatars.onnx" \
        --forget 'hat!=none' $job --device "$device" --out "$out/no-hats.safetensors" --report "$out/no-hats.json" \
        >"$out/job.txt" 2>&1 || failed=1

    {
        echo "Commit $(cat "$here/commit"), $(date +%F), $(sed -n 's/^our kernels: //p' "$out/iteration.err" | head -n 1), $(uname -sm);"
        nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null || echo "no nvidia-smi"
        echo
        echo "Golden parity: ${golden:-did not run (see golden.txt)}; peak of the GPU $(cat "$out/golden.peak") MiB"
        echo
        echo "| | ours | authors' PyTorch | peak of the GPU, MiB |"
        echo "|---|---|---|---|"
        row() {
            echo "| $3, $2 | $(median "$1" "$2") | $(of_pytorch "$4" "$out/pytorch-$5.txt") | $(cat "$out/$6.peak" 2>/dev/null) |"
        }
        row iteration "32x32, 32 channels" "iteration" whole 32-32 iteration
        row iteration "64x64, 64 channels" "iteration" whole 64-64 iteration
        row sample "64x64, 64 channels" "one image" sample 64-64 sample
        for size in "32x32, 512 channels=32-512" "128x128, 256 to 64 channels=128" "256x256, configuration F=256-F"; do
            row large_d_step "${size%=*}" "discriminator step" d_step "${size#*=}" large
            row large_g_step "${size%=*}" "generator step" g_step "${size#*=}" large
        done
        if [ "$device" = gpu ]; then
            echo
            echo "| | single precision | half precision | peaks of the GPU, MiB |"
            echo "|---|---|---|---|"
            both() {
                echo "| $3, $2 | $(median "$1" "$2") | $(median "$1" "$2" half.txt) | $(cat "$out/$4.peak" 2>/dev/null), $(cat "$out/half-$4.peak" 2>/dev/null) |"
            }
            both iteration "32x32, 32 channels" iteration iteration
            both iteration "64x64, 64 channels" iteration iteration
            for size in "32x32, 512 channels" "128x128, 256 to 64 channels" "256x256, configuration F"; do
                both large_d_step "$size" "discriminator step" large
                both large_g_step "$size" "generator step" large
            done
        fi
        echo
        echo "Main job (peak $(cat "$out/job.peak") MiB):"
        tail -n 12 "$out/job.txt"
    } >"$out/table.md"
    cat "$out/table.md"
    # Configuration F is left out on a CPU.
    ! grep -q 'configuration F.*not measured' "$out/table.md" || [ "$device" != gpu ] || failed=1
    ! grep -v 'configuration F' "$out/table.md" | grep -q 'not measured' || failed=1
    [ "$failed" = 0 ] || { echo "gpu_check: something failed; see $out" >&2; exit 1; }
}

case ${1:-} in
pack)
    shift
    pack "${1:?the archive to write}" "${2:-}"
    ;;
-h | --help)
    sed -n '2,12s/^# \{0,1\}//p' "$0"
    ;;
*) run "$@" ;;
esac
