"""One request after another, each from the model that the one before made: what the first ones keep.

    python3 scripts/requests_in_a_row.py PROGRAM OUT [TASK...]

TASK is `digits` (1, then 4, then 8) or `faces` (hats, then round glasses, then beards); both by default. Everything is by
labeler, with the default preset and seed 0, in one project per task under OUT. Prints a table in Markdown: the percentage of
unlearning of every feature after every request, against the original; Fréchet distance and floor of what should be kept,
against the parent and against the original. What is there already is not done again, so it can be interrupted.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TASKS = {
    "digits": ("assets/models/digits-32.safetensors", "assets/labelers/digits.onnx", ["1", "4", "8"]),
    "faces": (
        "assets/models/avatars-64.safetensors",
        "assets/labelers/avatars.onnx",
        ["hat!=none", "glasses=round", "beard=yes"],
    ),
}
SAMPLES = "4000"


def run(program, *arguments):
    return subprocess.run([program, *map(str, arguments), "--device", "cpu"], check=True, capture_output=True, text=True).stdout


def evaluate(program, out, before, after, labeler, forget):
    name = f"{before.stem}-{after.stem}-{forget}.json".replace("!", "not").replace("=", "-")
    kept = out / name
    if not kept.exists():
        text = run(program, "evaluate", before, after, "--labeler", ROOT / labeler, "--forget", forget, "--samples", SAMPLES, "--json")
        kept.write_text(text)
    return json.loads(kept.read_text())


def percent(value):
    return "" if value is None else f"{100 * value:.1f}"


def main():
    program, out = sys.argv[1], Path(sys.argv[2])
    for task in sys.argv[3:] or list(TASKS):
        model, labeler, features = TASKS[task]
        folder = out / task
        folder.mkdir(parents=True, exist_ok=True)
        project, parent = folder / "history.unlearn", ROOT / model
        results = []
        for number, feature in enumerate(features, 1):
            result = folder / f"after-{number}.safetensors"
            if not result.exists():
                run(
                    program, "unlearn", parent, "--labeler", ROOT / labeler, "--forget", feature, "--samples", "0",
                    "--project", project, "--out", result,
                )
            results.append(result)
            parent = result
        original = ROOT / model
        print(f"\n| {task}, after forgetting | " + " | ".join(f"PUL of {feature}" for feature in features) + " | Fréchet to the parent (floor) | to the original (floor) |")
        print("|---|" + "---|" * (len(features) + 2))
        for number, result in enumerate(results):
            puls = [percent(evaluate(program, folder, original, result, labeler, feature)["pul"]) for feature in features[: number + 1]]
            puls += [""] * (len(features) - len(puls))
            parent = original if number == 0 else results[number - 1]
            # Of the original's samples those are kept that show nothing of all that was to go, where one head can say so.
            gone = "|".join(features[: number + 1]) if task == "digits" else features[number]
            distances = [evaluate(program, folder, *of) for of in ((parent, result, labeler, features[number]), (original, result, labeler, gone))]
            distances = [f"{seen['frechet']:.1f} ({seen['frechet_floor']:.1f})" for seen in distances]
            print(f"| {features[number]} | " + " | ".join(puls + distances) + " |", flush=True)


if __name__ == "__main__":
    main()
