"""Some of the documents' pictures of the window; see screenshots.sh."""

import re
import sys

from window_driver import ASSETS, Failed, Window, set_up

SIZE = (1360, 860)
FACES, DIGITS, LOOKS = "models/avatars-64.safetensors", "models/digits-32.safetensors", "labelers/avatars.onnx"
# Samples of seed 0: faces with hats and without, one with glasses, fours and other digits.
HATS = (3, 5, 7, 10, 11, 12, 13, 18, 20, 24, 25, 26, 29, 32, 33, 36, 40, 41)
NO_HATS = (0, 2, 6, 8, 15, 17, 21, 22, 23, 27, 28, 34, 35, 37)
GLASSES = 8
FOURS, OTHERS = (10, 16, 20, 42, 43, 47), (3, 7, 13, 14)


def labeler(window, file, attribute, *others):
    """Opens a labeler, and says that all classes of an attribute but these must go."""
    window.click("Choose labeler")
    window.answer(ASSETS / file)
    window.wait("Class .* must go", 60)
    ask(window, attribute, *others)


def ask(window, attribute, *others):
    if attribute:
        window.choose("Attribute of the labeler", attribute)
    window.pump(1)
    for _, name in window.find("Class .* must go"):
        if name not in [f"Class {other} must go" for other in others]:
            window.click(name)


def likely(window):
    """How likely each sample that is seen whole shows what must go, as the labeler says: [(number, percent)]."""
    window.click("Order")
    window.click("Most likely first")
    window.wait(r"\d+ of 500 samples looked through show it\.", 900)
    window.click("As drawn")
    window.key("Escape")
    window.pump(2)
    seen = []
    for node, name in window.find(r"Sample \d+, .*% likely to show it"):
        _, _, width, height = window.place(node)
        if height > 0.95 * width:
            number, percent = re.fullmatch(r"Sample (\d+), \D*([\d.]+)% likely to show it", name).groups()
            seen.append((int(number), float(percent)))
    return sorted(seen)


def mark(window, negatives, positives):
    for numbers, button, words in ((negatives, 1, "must go"), (positives, 3, "may stay")):
        for number in numbers:
            [(_, name)] = window.find(rf"Sample {number}(, .*)?")
            window.click(name, button)
            window.wait(rf"Sample {number}, {words}.*", 10)
    window.away()


def steps(window, name, count):
    window.click(name)
    window.key("ctrl+a")
    window.type(count)
    window.key("Return")


def start(window):
    """Begins a run, also where the marks are few."""
    window.click("Unlearn")
    if window.wait(r"Pause|Are these marks enough\?|Done", 300) == "Are these marks enough?":
        window.click("Unlearn anyway")
    window.away()


def until_step(window, step, of):
    """Waits until so many steps of a run are done."""
    for _ in range(3600):
        for _, name in window.find(rf"\d+ of {of}\b.*"):
            if int(name.split()[0]) >= step:
                return
        window.pump(1)
    raise Failed(f"the run does not come to step {step}")


def end(window):
    ended = window.wait("Done|The run failed", 3600)
    if ended != "Done":
        raise Failed(ended)
    window.pump(3)


def marks(program, folder):
    """marks, run, split, look-light: the faces forget their hats."""
    set_up("dark", SIZE, first_steps_done=True)
    with Window(program, folder, ASSETS / FACES) as window:
        window.begin("avatars-64")
        mark(window, HATS, NO_HATS)
        window.click("Suggest more like these")
        window.wait("Suggest others", 600)
        window.away()
        window.picture("marks", 3)
        steps(window, "Unlearning steps", 240)
        start(window)
        until_step(window, 200, 240)
        window.picture("run", 1)
        end(window)
        window.click("Compare before with after")
        window.away()
        window.picture("split", 3)
        window.choose("Theme", "Light")
        _, name = window.find("Marked sample .*, must go")[0]
        window.click(name)
        window.wait("Sample .* After", 30)
        window.away()
        window.picture("look-light", 3)


def where(program, folder):
    """where: the place of the glasses, painted."""
    set_up("dark", SIZE, first_steps_done=True)
    with Window(program, folder, ASSETS / FACES) as window:
        window.begin("avatars-64")
        mark(window, [GLASSES], [])
        _, name = window.find("Marked sample .*, must go")[0]
        window.click(name)
        window.wait(f"Sample {GLASSES} Before", 30)
        window.pump(2)
        [(picture, _)] = window.find(f"Sample {GLASSES} Before")
        for _ in range(5):
            window.drag(picture, (0.26, 0.5), (0.38, 0.51), (0.5, 0.5), (0.62, 0.51), (0.74, 0.5))
            window.away()
            window.pump(2)
            # A busy machine may have drawn no frame meanwhile.
            if window.says("The probe looks there first: a stroke.*"):
                break
        left, top, width, _ = window.place(picture)
        [(close, _)] = window.find("Close")[-1:]
        _, low, _, height = window.place(close)
        window.picture("where", 2, (left - 22, top - 60, width + 44, low + height + 22 - (top - 60)))


def projects(program, folder):
    """history, compare, resume."""
    set_up("dark", SIZE, first_steps_done=True)
    with Window(program, folder, ASSETS / FACES) as window:
        window.begin("avatars-64")
        steps(window, "Unlearning steps", 300)
        for number, (attribute, others) in enumerate([("hat", ["none"]), ("glasses", ["none"]), ("beard", ["no"])]):
            if number == 0:
                labeler(window, LOOKS, attribute, *others)
                window.click("Use the labeler instead of my marks")
            else:
                window.click("Use as starting point")
                window.wait("Sample 0.*", 60)
                ask(window, attribute, *others)
            start(window)
            end(window)
        window.click("Compare before with after")
        window.away()
        window.picture("history", 4)
    with Window(program, folder, ASSETS / DIGITS) as window:
        window.begin("digits-32")
        labeler(window, "labelers/digits.onnx", "", *"012356789")
        mark(window, FOURS, OTHERS)
        window.click("Use the labeler instead of my marks")
        for method, count in (("Dampening", None), ("Reject and Retain (default)", 60), ("Redirect and Polish", 60), ("Feature Unlearning", 40)):
            window.choose("Method", method)
            if count:
                steps(window, "Unlearning steps", count)
            start(window)
            end(window)
        window.click("Compare methods")
        window.away()
        window.picture("compare", 6)
        window.click("Back to the samples")
        window.choose("Method", "Reject and Retain (default)")
        steps(window, "Unlearning steps", 900)
        start(window)
        until_step(window, 20, 900)
        # A pause is saved.
        window.click("Pause")
        window.wait("Resume", 60)
        window.pump(5)
        window.end(9)
    with Window(program, folder, ASSETS / DIGITS) as window:
        window.begin("digits-32")
        window.wait("A run was interrupted", 30)
        window.away()
        window.picture("resume", 4)


def completions(program, folder):
    """completions-run, completions-split: a masked autoencoder forgets hats."""
    set_up("dark", SIZE, first_steps_done=True)
    with Window(program, folder, ASSETS / FACES) as window:
        window.begin("avatars-64")
        window.choose("Open", "Bundled faces, completed")
        window.wait("ViT-MAE, 64 . 64 pixels", 60)
        window.wait("Sample 0.*", 120)
        window.pump(4)
        labeler(window, LOOKS, "hat", "none")
        seen = likely(window)
        must_go = [number for number, percent in seen if percent >= 70]
        mark(window, must_go[:21], [number for number, percent in seen if percent <= 5][:28])
        window.click("Remove labeler")
        steps(window, "Unlearning steps", 300)
        start(window)
        until_step(window, 250, 300)
        window.picture("completions-run", 1)
        end(window)
        window.choose("Before shows", "Picture")
        window.click("Compare before with after")
        window.away()
        window.picture("completions-split", 4)


def main():
    program, folder, name = sys.argv[1:]
    try:
        {"marks": marks, "where": where, "projects": projects, "completions": completions}[name](program, folder)
    except Failed as failure:
        raise SystemExit(f"screenshots: {failure}") from None


main()
