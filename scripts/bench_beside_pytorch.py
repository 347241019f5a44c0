#!/usr/bin/env python3
"""Times StyleGAN2 iterations of this program beside the authors' code in PyTorch, one after the other, and prints a table.

    python3 scripts/bench_beside_pytorch.py CHECKOUT [--rows 1-5] [--vectors avx512 avx2] [--bench PROGRAM ...]

CHECKOUT is one of rosinality's stylegan2-pytorch. To be run on a machine that does nothing else; the rows are those of
`benches/README.md`. Without --bench the bench is built first; with several programs (say, of two commits) each row is measured by all
of them in turn. PyTorch is timed with the same vector instructions and as many threads, by `bench_stylegan2_in_pytorch.py`.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

# The name in `benches/iteration.rs`, channels, and whether a whole iteration is timed or one step of each network.
ROWS = [
    ("32x32, 32 channels", "32,32,32,32", True),
    ("32x32, 64 channels", "64,64,64,64", True),
    ("64x64, 64 channels, 32 at 64x64", "64,64,64,64,32", True),
    ("32x32, 512 channels", "512,512,512,512", False),
    ("128x128, 256 to 64 channels", "256,256,256,256,128,64", False),
]

# What leaves AVX-512 out of ours and of PyTorch.
OURS = {"avx512": {}, "avx2": {"UNLEARN_VECTOR": "avx2"}}
THEIRS = {
    "avx512": {},
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
}
UNITS = {"ns": 1e-6, "µs": 1e-3, "ms": 1.0, "s": 1e3}


def output(command, more):
    done = subprocess.run(command, env=os.environ | more, capture_output=True, text=True, cwd=HERE.parent)
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed:\n{done.stderr}")
    return done.stdout


def built_bench():
    build = ["cargo", "bench", "--bench", "iteration", "--no-run"]
    done = subprocess.run(build, capture_output=True, text=True, cwd=HERE.parent)
    found = re.search(r"Executable .*\((.+)\)", done.stderr)
    return found[1] if found else sys.exit(done.stderr)


def ours(bench, part, name, vector):
    """The fastest of a bench's samples, in ms."""
    text = output([bench, "--bench", "--exact", f"iteration::{part}::{name}", "--sample-count", "2"], OURS[vector])
    found = re.search(re.escape(name) + r"\s+([\d.]+) (ns|µs|ms|s)\s", text)
    return float(found[1]) * UNITS[found[2]] if found else sys.exit(f"no time of {part} in:\n{text}")


def theirs(checkout, channels, whole, threads, vector):
    """Times in ms by the name of the part."""
    script = [sys.executable, str(HERE / "bench_stylegan2_in_pytorch.py"), str(checkout), "--channels", channels]
    few = [] if whole else ["--parts", "d_step,g_step"]
    text = output([*script, *few, "--threads", str(threads), "--rounds", "1", "--repeats", "3" if whole else "1"], THEIRS[vector])
    return {name: float(ms) for name, ms in re.findall(r"^  (\w+) +([\d.]+) ms", text, re.MULTILINE)}


def selected(text):
    first, _, last = text.partition("-")
    return ROWS[int(first) - 1 : int(last or first)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--rows", default="1-5", help="which rows, 2-4 or 3")
    parser.add_argument("--vectors", nargs="+", choices=OURS, default=list(OURS))
    parser.add_argument("--bench", nargs="+", help="built iteration benches instead of one to be built")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    os.environ["RAYON_NUM_THREADS"] = str(arguments.threads)
    benches = arguments.bench or [built_bench()]
    print("| ms | " + " | ".join(f"ours, {Path(bench).name}" for bench in benches) + " | PyTorch | times |")
    print("|---|" + "---|" * (len(benches) + 2))
    for name, channels, whole in selected(arguments.rows):
        for vector in arguments.vectors:
            parts = {"iteration": "whole"} if whole else {"large_d_step": "d_step", "large_g_step": "g_step"}
            own = {part: [ours(bench, part, name, vector) for bench in benches] for part in parts}
            other = theirs(arguments.checkout, channels, whole, arguments.threads, vector)
            for part, key in parts.items():
                cells = [f"{ms:.0f}" for ms in own[part]] + [f"{other[key]:.0f}", f"{other[key] / own[part][-1]:.1f}"]
                print(f"| {name}, {part}, {vector} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
