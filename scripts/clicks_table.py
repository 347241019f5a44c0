"""How much a few clicks forget, beside a classifier's thousands of labels: the table in docs/benchmarks.md.

    python scripts/clicks_table.py PROGRAM OUT [--jobs N] [--only digits|avatars] [--seed S] [--samples N] [--show]

Runs `PROGRAM unlearn` for every row on the models that come with the program, on one thread each, keeps reports, pictures
and weights in the folder OUT, skips what is there already, and prints a Markdown table. Seconds are processor time: what
the run takes on a core of its own, whatever else the machine does. Needs nothing but Python itself, on Linux or macOS.
"""

import argparse
import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ASSETS = Path(__file__).resolve().parent.parent / "assets"
ROWS = [
    ("digits", "digits-32", "1", "1"),
    ("digits", "digits-32", "4", "4"),
    ("digits", "digits-32", "8", "8"),
    ("avatars", "avatars-64", "any hat", "hat!=none"),
    ("avatars", "avatars-64", "round glasses", "glasses=round"),
    ("avatars", "avatars-64", "beard", "beard=yes"),
]
# What is said of each kind of feedback, and the arguments that ask for it beside --labeler and --forget.
FEEDBACK = {
    "all labels": [],
    "12 clicks": ["--clicks", "12"],
    "24 clicks": ["--clicks", "24"],
    "48 clicks": ["--clicks", "48"],
    "24 clicks, rest may stay": ["--clicks", "24", "--rest-may-stay"],
    "24 clicks, labeler's features": ["--clicks", "24", "--labeler-features"],
    "24 clicks, both": ["--clicks", "24", "--rest-may-stay", "--labeler-features"],
    "24 clicks, rest may stay, regions": ["--clicks", "24", "--rest-may-stay", "--regions"],
}
# A digit is the whole picture: only of the drawn faces is it known where a thing is.
FACES_ONLY = {"24 clicks, rest may stay, regions"}


def last_line(log):
    """What a run that failed said."""
    return "".join(log.read_text().strip().splitlines()[-1:]) or "not run yet"


def run(args, row, feedback):
    """One run: its report, with the processor time of the whole command in seconds."""
    labeler, model, name, forget = row
    stem = f"{labeler}-{name}-{feedback}".replace(" ", "-").replace(",", "").replace("'", "")
    report = args.out / f"{stem}.json"
    timed = args.out / f"{stem}.seconds"
    log = args.out / f"{stem}.log"
    if not timed.exists():
        if args.show:
            return None, last_line(log) if log.exists() and not report.exists() else "not run yet"
        command = [args.program, "unlearn", ASSETS / "models" / f"{model}.safetensors"]
        command += ["--labeler", ASSETS / "labelers" / f"{labeler}.onnx", "--forget", forget, "--device", "cpu"]
        command += ["--samples", str(args.samples), "--seed", str(args.seed), "--report", report]
        command += ["--out", args.out / f"{stem}.safetensors", "--grid", args.out / f"{stem}.png"]
        command += FEEDBACK[feedback]
        with log.open("w") as stderr:
            environment = os.environ | {"RAYON_NUM_THREADS": "1"}
            words = [str(part) for part in command]
            process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=stderr, env=environment)
            _, status, used = os.wait4(process.pid, 0)
        if status != 0:
            return None, last_line(log)
        if json.loads(report.read_text())["stopped"]:
            report.unlink()
            return None, "stopped"
        timed.write_text(str(used.ru_utime + used.ru_stime))
    return json.loads(report.read_text()), float(timed.read_text())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("out", type=Path)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", choices=["digits", "avatars"])
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", action="store_true", help="run nothing, print what is there")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    rows = [row for row in ROWS if args.only in (None, row[0])]
    jobs = [(row, f) for row in rows for f in FEEDBACK if row[0] == "avatars" or f not in FACES_ONLY]
    with ThreadPoolExecutor(args.jobs) as pool:
        results = list(pool.map(lambda job: run(args, *job), jobs))
    print("| forget | feedback | PUL % | Fréchet (floor) | negatives of", args.samples, "| seconds |")
    print("|---|---|---|---|---|---|")
    for (row, feedback), (report, seconds) in zip(jobs, results):
        if report is None:
            print(f"| {row[0]}: {row[2]} | {feedback} | {seconds} | | | |")
            continue
        e = report["evaluation"]
        frechet = f"{e['frechet']:.1f} ({e['frechet_floor']:.1f})"
        negatives = f"{e['negatives_before']} to {e['negatives_after']}"
        print(f"| {row[0]}: {row[2]} | {feedback} | {100 * e['pul']:.1f} | {frechet} | {negatives} | {seconds:.0f} |")


if __name__ == "__main__":
    main()
