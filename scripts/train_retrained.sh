#!/bin/sh
# Trains the bundled models anew without what must go: the gold standard of audits (audit --retrained).
#
#   scripts/train_retrained.sh faces OUT            faces without hats
#   scripts/train_retrained.sh digits OUT IMAGES    MNIST's digits (an IDX file, its labels beside it) without 4
#
# OUT is a folder. Each step goes on where it was stopped; an evening on two cores. SCALE=0.1 trains a tenth as long.
set -eu

what=${1:?faces or digits}
out=${2:?the folder to write to}
studio=${STUDIO:-unlearn-studio}
scale=${SCALE:-1}
mkdir -p "$out"

# Thousands of images, scaled.
kimg() {
    awk -v n="$1" -v s="$scale" 'BEGIN { k = int(n * s); print (k < 1) ? 1 : k }'
}

# $1: the file; $2: thousands of images; the rest: what a new training takes. A training that is there goes on.
train() {
    file=$1
    length=$(kimg "$2")
    shift 2
    if [ -f "$file" ]; then
        # shellcheck disable=SC2086 # several words
        "$studio" train "$data" --exclude "$exclude" --resume "$file" --out "$file" --kimg "$length" --device cpu
    else
        "$studio" train "$data" --exclude "$exclude" --out "$file" --kimg "$length" --device cpu "$@"
    fi
}

case $what in
faces)
    data=avatars
    exclude='hat!=none'
    train "$out/faces-16.safetensors" 115 --resolution 16 --channels 48 --mapping 2 --batch 32 --r1 1 --mixing 0 --no-noise
    train "$out/faces-32.safetensors" 138 --grow "$out/faces-16.safetensors" --resolution 32 --channels 48,48,48,32 --batch 8 --r1 10 --mixing 0 \
        --no-noise
    train "$out/faces-without-hats.safetensors" 350 --grow "$out/faces-32.safetensors" --resolution 64 --channels 48,48,48,32,16 --batch 8 --r1 10 \
        --mixing 0 --no-noise
    ;;
digits)
    data=${3:?the images, an IDX file}
    exclude=4
    train "$out/digits-16.safetensors" 435 --resolution 16 --channels 32 --mapping 2 --batch 32 --r1 1 --mixing 0 --no-noise --augment none
    train "$out/digits-without-4.safetensors" 139 --grow "$out/digits-16.safetensors" --resolution 32 --channels 32 --batch 8 --r1 10 --mixing 0 \
        --no-noise --augment none
    ;;
*)
    echo "train_retrained: $what is neither faces nor digits" >&2
    exit 2
    ;;
esac
