#!/usr/bin/env python3
"""The table of methods in docs/methods.md.

    python3 scripts/methods_table.py PROGRAM DIGITS.pt LENET.onnx OUT [--samples 3000] [--seeds 0]

Runs `compare` on the digits (forgetting 1, 4, 8) and the drawn faces (any hat, round glasses, beards), keeps every table,
result and picture in OUT, skips what is there already, and prints the rows as Markdown.
"""

import argparse
import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
METHODS = [
    "reject",
    "redirect",
    "redirect:plain",
    "adapt:quick",
    "adapt:quick+mask-ratio=0.5",
    "saliency",
    "feature",
    "dampen:ssd",
    "dampen:lfssd",
    "extrapolate",
    "reject+mask-ratio=0.5",
    "reject+l1=1e-6",
    "reject+unwanted-share=0",
    "reject+retain=0",
]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("digits")
    parser.add_argument("lenet")
    parser.add_argument("out", type=Path)
    parser.add_argument("--samples", default="3000")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--print", action="store_true", help="only print what is there")
    args = parser.parse_args()
    faces, labeler = ROOT / "assets/models/avatars-64.safetensors", ROOT / "assets/labelers/avatars.onnx"
    tasks = [(f"digits: {digit}", args.digits, args.lenet, digit) for digit in "148"]
    wanted = [("any hat", "hat!=none"), ("round glasses", "glasses=round"), ("beard", "beard=yes")]
    tasks += [(f"faces: {name}", faces, labeler, forget) for name, forget in wanted]
    args.out.mkdir(parents=True, exist_ok=True)
    print("| forget | method | seed | PUL % | Fréchet (floor) | change of kept samples | seconds |")
    print("|---|---|---|---|---|---|---|")
    for name, model, classifier, forget in tasks:
        table = args.out / (name.replace(": ", "-").replace(" ", "-") + ".json")
        if not table.exists() and not args.print:
            command = [args.program, "compare", model, "--methods", args.methods, "--labeler", classifier]
            command += ["--forget", forget, "--samples", args.samples, "--seeds", args.seeds, "--device", "cpu"]
            command += ["--out", table, "--keep", table.with_suffix("")]
            subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
        if not table.exists():
            continue
        for row in json.loads(table.read_text()):
            if "failed" in row:
                print(f"| {name} | {row['method']} | {row['seed']} | {row['failed']} | | | |")
                continue
            distance = f"{row['frechet']:.1f} ({row['frechet_floor']:.1f})"
            print(
                f"| {name} | {row['method']} | {row['seed']} | {row['pul']:.1f} | {distance} "
                f"| {row['kept_change']:.3f} | {row['seconds']:.0f} |"
            )


if __name__ == "__main__":
    main()
