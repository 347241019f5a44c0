#!/bin/sh
# Prints the licences of everything that is linked into the program: a list of crates, then their texts, each once.
set -eu

cd "$(dirname "$0")/.."
sources=${CARGO_HOME:-$HOME/.cargo}/registry/src
crates=$(cargo tree --locked --offline --edges normal --prefix none --format '{p}|{l}' |
    grep -v '(/\|(\*)' | sed 's/ (proc-macro)//; s/ v\([0-9]\)/ \1/' | sort -u)

echo "Unlearn Studio contains these crates:"
echo
echo "$crates" | sed 's/^\([^|]*\)|\(.*\)$/\1: \2/'
echo
echo "$crates" | cut -d '|' -f 1 | while read -r name version; do
    for file in "$sources"/*/"$name-$version"/LICEN[CS]E* "$sources"/*/"$name-$version"/COPYING* \
        "$sources"/*/"$name-$version"/NOTICE*; do
        [ -f "$file" ] && sha256sum "$file"
    done
done | sort -u -k 1,1 | while read -r _ file; do
    echo "---- $(basename "$(dirname "$file")"), $(basename "$file") ----"
    echo
    cat "$file"
    echo
done
