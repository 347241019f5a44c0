#!/usr/bin/env python3
"""Audits what every method makes of one task, and prints one table.

    python scripts/audit_table.py PROGRAM MODEL LABELER CLASS OUT [--retrained MODEL] [--methods a,b:preset,...] [--audit "MORE OPTIONS"]

Every result and report is kept in the folder OUT; what is there is not made again. Seconds are those of this machine.
"""

import argparse
import json
import pathlib
import shlex
import subprocess
import sys

METHODS = "reject,redirect,adapt:paper,adapt:quick,saliency,feature,dampen,dampen:lfssd"


def row(report, role, seconds, name):
    measurements = report["findings"]["measurements"]
    model = next((m for m in measurements["models"] if m["model"] == role), None)
    if model is None:
        return None
    percent = lambda share: f"{share * 100:.1f}"
    pul = model["pul"]
    cells = [name, f"{percent(pul['value'])} ({percent(pul['low'])} to {percent(pul['high'])})" if pul else "-"]
    decimals = 1 if measurements["frechet_on"] == "features" else 4
    cells.append(f"{model['frechet']:.{decimals}f}" if model["frechet"] is not None else "-")
    cells.append(f"{model['ret_frechet']:.{decimals}f}" if model["ret_frechet"] is not None else "-")
    found = {s["space"]: s["found"] for s in report["findings"]["searches"] if s["model"] == role}
    cells += [f"{found[space]['count']}" if space in found else "-" for space in ["z", "w", "w+"]]
    relearned = {l["pictures"]: l for l in report["findings"]["relearning"] if l["model"] == role}
    for pictures in report["budget"]["relearn"]["pictures"]:
        steps = relearned[pictures]["steps_to_half"] if pictures in relearned else None
        last = relearned[pictures]["curve"][-1][0] if pictures in relearned else None
        cells.append("-" if last is None else f"> {last}" if steps is None else str(steps))
    back = next((p["part"] for p in report["findings"]["back"] if 2 * p["seen"]["share"] >= report["findings"]["back"][-1]["seen"]["share"]), None)
    cells.append(f"{back * 100:.0f}" if back is not None and role == "result" else "-")
    cells.append(f"{seconds:.0f}" if seconds is not None else "-")
    return cells


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ["program", "model", "labeler", "forget", "out"]:
        parser.add_argument(name)
    parser.add_argument("--retrained")
    parser.add_argument("--methods", default=METHODS)
    parser.add_argument("--audit", default="", help="more options of audit")
    parser.add_argument("--unlearn", default="--labelled 3000", help="more options of unlearn")
    args = parser.parse_args()
    out = pathlib.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for method in args.methods.split(","):
        name, _, preset = method.partition(":")
        stem = out / method.replace(":", "-")
        weights, run, report = (stem.with_suffix(s) for s in [".safetensors", ".run.json", ".json"])
        common = ["--labeler", args.labeler, "--forget", args.forget, "--device", "cpu"]
        if not weights.exists():
            command = [args.program, "unlearn", args.model, *common, "--method", name, "--samples", "1000", "--out", weights, "--report", run]
            command += ["--preset", preset] if preset else []
            if subprocess.run(command + shlex.split(args.unlearn)).returncode:
                print(f"{method}: unlearn failed", file=sys.stderr)
                continue
        if not report.exists():
            command = [args.program, "audit", args.model, weights, *common, "--out", report.with_suffix(".html")]
            command += ["--retrained", args.retrained] if args.retrained else []
            if subprocess.run(command + shlex.split(args.audit), stdout=subprocess.DEVNULL).returncode:
                print(f"{method}: audit failed", file=sys.stderr)
                continue
        found = json.loads(report.read_text())
        seconds = sum(v for k, v in json.loads(run.read_text())["seconds"].items() if k != "evaluate") if run.exists() else None
        rows.append((found, row(found, "result", seconds, method)))
    if not rows:
        sys.exit("no method came through")
    report = rows[0][0]
    pictures = report["budget"]["relearn"]["pictures"]
    head = ["method", "PUL (95 %)", "Fréchet", "Ret-Fréchet", "z", "w", "w+", *[f"{k} pictures" for k in pictures], "way back, %", "s"]
    floor = report["findings"]["measurements"]["frechet_floor"]
    print(f"{args.forget}: floor {floor:.1f}; {report['device']}, {report['vector']}; of {report['budget']['search']['starts']} starts\n")
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    original = row(report, "original", None, "*original*")
    retrained = row(report, "retrained", None, "*retrained*")
    for cells in [original, *[cells for _, cells in rows], retrained]:
        if cells:
            print("| " + " | ".join(cells) + " |")


main()
