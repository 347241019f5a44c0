"""Stories told in the real window; see story.sh."""

import os
import re
import subprocess
import sys
from pathlib import Path

from window_driver import ASSETS, ELLIPSIS, Failed, Window, set_up

TICK = "Use the labeler instead of my marks"
# Bundled digits, seed 0: fours, and some of what may stay, also what looks like a four.
MUST_GO = (10, 16, 20, 42, 43, 47)
MAY_STAY = (3, 7, 11, 13, 14, 15)
# Enough to pause and to stop in between.
STEPS = int(os.environ.get("STEPS", "30"))
# A model in place of the digits.
MODEL = os.environ.get("MODEL")
# A preset of one's own that looks for more in few samples.
PRESET = "few samples"
PRESETS = {PRESET: {"method": "reject", "labelled": 600}}


class Story(Window):
    steps = 0

    def shoot(self, name, wait=0.8):
        self.picture(f"{self.steps:02}-{name}", wait)
        self.steps += 1

    def written(self, path):
        """Waits for a file, and removes it."""
        self.pump(60, path.is_file)
        if not path.is_file():
            raise Failed(f"{path.name} was not written")
        self.pump(1)
        path.unlink()

    def step(self, count):
        """Waits until so many steps of a run are done."""
        self.pump(600, lambda: any(int(name.split()[0]) >= count for _, name in self.find(rf"\d+ of {STEPS}\b.*")))


class Keyboard(Story):
    """Whoever uses keys alone."""

    def mark(self, numbers, key, words):
        self.to("Samples")
        self.key("Home")
        at = 0
        for number in numbers:
            self.key(*["Right"] * (number - at), key)
            at = number
        self.wait(rf"Sample {number}, {words}.*", 60)

    def answer_suggestions(self, keys):
        """Marks the first of them, one after the other."""
        self.to(self.find(r"Suggested sample \d+")[0][1])
        for place, key in enumerate(keys):
            if place > 0:
                self.tab()
            self.key(key)

    def set(self, name, value):
        self.to(name)
        self.type(value)
        self.key("Return")

    def compare(self, number, _):
        self.to("Samples")
        self.key(str(number))

    def look_closely(self, _):
        self.to("Samples")
        self.key("Home", "Return")

    def close(self):
        self.key("Escape")

    def hide_panels(self):
        self.key("ctrl+b", "ctrl+shift+b")


class Mouse(Story):
    """Whoever points and clicks."""

    def press(self, name, key=None):
        self.click(name)
        self.away()

    def mark(self, numbers, key, words):
        button = 3 if key == "p" else 1
        for number in numbers:
            self.bring(number)
            [(_, name)] = self.find(f"Sample {number}(,.*)?")
            self.click(name, button)
            self.wait(rf"Sample {number}, {words}.*", 20)
        self.away()

    def bring(self, number):
        """Scrolls until a sample is seen whole, and above what may lie over the lowest ones."""
        for _ in range(60):
            [(grid, _)] = self.find("Samples")
            _, top, _, height = self.place(grid)
            here = self.find(f"Sample {number}(,.*)?")
            if here:
                _, high, width, size = self.place(here[0][0])
                if size > 0.95 * width and high + size < top + height - 60:
                    return
                down = high > top + 20
            else:
                shown = [int(re.match(r"Sample (\d+)", name)[1]) for _, name in self.find(r"Sample \d+(,.*)?")]
                down = number > max(shown)
            self.wheel(5 if down else 4)
        raise Failed(f"sample {number} does not come into view")

    def wheel(self, button):
        """Scrolls the grid."""
        self.move(self.find("Samples")[0][0])
        subprocess.run(["xdotool", "click", str(button)], check=True)
        self.pump(0.5)

    def answer_suggestions(self, keys):
        names = [name for _, name in self.find(r"Suggested sample \d+")]
        for name, key in zip(names, keys):
            self.click(name, 3 if key == "p" else 1)
        self.away()

    def set(self, name, value):
        self.click(name)
        self.key("ctrl+a")
        self.type(value)
        self.key("Return")
        self.away()

    def compare(self, _, name):
        self.press(name)

    def look_closely(self, number):
        self.bring(number)
        self.move(self.find(f"Sample {number}(,.*)?")[0][0])
        subprocess.run(["xdotool", "click", "--repeat", "2", "--delay", "80", "1"], check=True)
        self.pump(1)
        self.away()

    def close(self):
        self.press("Close")

    def hide_panels(self):
        self.press("Left panel")
        self.press("Right panel")


def tell_marks(story, _):
    story.begin("avatars-64")
    story.shoot("start")
    if MODEL:
        story.key("ctrl+o")
        story.wait("Path", 300)
        story.shoot("open")
        story.answer(MODEL)
    else:
        story.press("Open")
        story.shoot("open")
        story.press("Bundled digits")
    story.gone("avatars-64", 60)
    story.wait("Sample 0.*", 60)
    story.shoot("opened", 4)

    story.mark(MUST_GO, "space", "must go")
    story.mark(MAY_STAY, "p", "may stay")
    story.shoot("marked")
    story.press("Suggest more like these")
    story.wait("Suggest others", 900)
    story.shoot("suggested", 2)
    story.answer_suggestions(["p", "p", "n", "n"])
    story.shoot("marked-more")

    story.press("Preset")
    story.press(PRESET)
    story.set("Unlearning steps", STEPS)
    story.shoot("settings")
    story.press("Unlearn")
    if story.wait(r"Pause|Are these marks enough\?", 300) != "Pause":
        story.shoot("question")
        story.press("Unlearn anyway")
        story.wait("Pause", 60)
    story.shoot("begun")
    story.step(STEPS // 5)
    story.shoot("watched")
    story.press("Pause")
    story.wait("Resume", 60)
    story.shoot("paused", 2)
    story.press("Resume")
    story.step(2 * STEPS // 5)
    story.press("Stop")
    story.wait("Stopped", 120)
    story.shoot("stopped", 3)
    story.press("Go on")
    story.wait("Pause", 60)
    story.shoot("going-on")
    ended = story.wait("Done|The run failed", 1800)
    story.shoot("ended", 4)
    if ended != "Done":
        raise Failed(f"the run has ended: {ended!r}")

    for number, name in enumerate(("Before", "Split", "Difference", "Heat"), 2):
        story.compare(number, name)
        story.shoot(name.lower(), 3)
    story.compare(1, "After")
    story.look_closely(0)
    story.wait("Copy address", 30)
    story.shoot("close-view", 3)
    story.close()
    story.gone("Copy address", 30)
    story.press(story.find("Snapshot 1: .*")[0][1])
    story.shoot("snapshot", 2)
    story.press("Now: the latest result")

    result = story.folder / "result.safetensors"
    story.press("Save the result")
    story.wait("Path", 15)
    story.shoot("save")
    story.answer(result)
    story.written(result)
    story.shoot("saved")
    story.press("Use as starting point")
    story.wait("Starts from .*", 60)
    story.wait("Sample 0.*", 60)
    story.shoot("starting-point", 4)
    story.hide_panels()
    story.shoot("panels-hidden", 2)
    story.say("the whole story")


def tell_labeler(story, method):
    story.begin("avatars-64")
    story.key("F1")
    story.wait("This list", 15)
    story.shoot("keys")
    story.key("Escape")
    story.gone("This list", 30)

    story.key("ctrl+o")
    story.wait("Path", 15)
    story.shoot("open")
    story.answer(ASSETS / "models/digits-32.safetensors")
    story.wait("StyleGAN2, 32 . 32 pixels", 60)
    story.wait("Sample 0.*", 60)
    story.shoot("opened", 4)

    story.to("Samples")
    story.key("Right", "Right", "space", "Down", "p")
    story.wait("Sample 2, must go", 15)
    story.shoot("marked")
    story.key("ctrl+z", "ctrl+z")
    story.wait("Sample 2", 15)
    story.shoot("undone")

    story.press("Choose labeler")
    story.answer(ASSETS / "labelers/digits.onnx")
    story.wait("Class 4 must go", 60)
    story.shoot("labeler")
    story.press("Class 4 must go", "space")
    story.press(TICK, "space")
    # One back, and forth again.
    back, forth = story.tab("shift+Tab"), story.tab()
    if forth != TICK or back in (forth, None):
        raise Failed(f"Shift+Tab leads to {back!r}, Tab from there to {forth!r}")
    story.shoot("class")

    story.press("Order")
    story.press("Most likely first", "space")
    story.wait(r"\d+ of 500 samples looked through show it\.", 900)
    story.shoot("ordered", 2)
    story.key("Escape")

    story.press("Method")
    story.press(method)
    story.shoot("method")

    story.press("Unlearn")
    ended = story.wait("Done|Stopped|The run failed", 1800)
    story.shoot("ended", 4)
    if ended != "Done":
        raise Failed(f"the run has ended: {ended!r}")

    story.press("Compare before with after")
    story.shoot("compared", 3)
    picture = story.folder / "samples.png"
    story.press("Save")
    story.shoot("save-menu")
    story.press(f"Image (PNG){ELLIPSIS}")
    story.answer(picture)
    story.written(picture)
    story.say("the whole story")


def main():
    program, folder, theme, width, height, name, hand, method = sys.argv[1:]
    if (name, hand) == ("labeler", "mouse"):
        raise SystemExit("story: the labeler's story is one of keys")
    tell = {"marks": tell_marks, "labeler": tell_labeler}[name]
    kind = {"keyboard": Keyboard, "mouse": Mouse}[hand]
    set_up(theme, (int(width), int(height)), presets=PRESETS)
    try:
        with kind(program, Path(folder)) as story:
            tell(story, method)
    except Failed as failure:
        raise SystemExit(f"story: {failure}") from None


main()
