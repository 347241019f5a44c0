"""One story by keyboard alone; see story_by_keyboard.sh."""

import sys
from pathlib import Path

from window_driver import ASSETS, ELLIPSIS, Failed, Window, set_up

TICK = "Use the labeler instead of my marks"


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


def tell(story, method):
    story.begin("avatars-64")
    story.shoot("start")

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
    result = story.folder / "result.safetensors"
    story.press("Save the result")
    story.wait("Path", 15)
    story.shoot("save")
    story.answer(result)
    story.written(result)
    story.shoot("saved")

    picture = story.folder / "samples.png"
    story.press("Save")
    story.shoot("save-menu")
    story.press(f"Image (PNG){ELLIPSIS}")
    story.answer(picture)
    story.written(picture)

    story.key("ctrl+b", "ctrl+shift+b")
    story.shoot("panels-hidden", 2)
    story.key("ctrl+b", "ctrl+shift+b")
    story.shoot("end", 2)
    story.say("the whole story by keyboard")


def main():
    program, folder, theme, width, height, method = sys.argv[1:]
    set_up(theme, (int(width), int(height)))
    try:
        with Story(program, Path(folder)) as story:
            tell(story, method)
    except Failed as failure:
        raise SystemExit(f"story_by_keyboard: {failure}") from None


main()
