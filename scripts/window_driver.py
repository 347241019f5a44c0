"""Drives the real window: keys and the pointer through xdotool, what the window says through the accessibility bus.

For scripts that on_a_screen.sh runs. Needs xdotool, imagemagick and the system's Python with gi's Atspi (Debian: python3-gi and
gir1.2-atspi-2.0). Controls are named as a screen reader names them, so that nothing here depends on where they are."""

import json
import os
import re
import subprocess
import time
from pathlib import Path

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, GLib  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
ASSETS = ROOT / "assets"
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
# More controls than any state of the window has.
MOST_TABS = 250
Atspi.init()
# Milliseconds that an answer of the window may take: while it computes, it may be slow to wake up.
Atspi.set_timeout(15000, 15000)


class Failed(Exception):
    """The window does not do what was expected."""


def set_up(theme, size, **more):
    """What the program remembers when it is started."""
    folder = Path(os.environ["XDG_CONFIG_HOME"]) / "unlearn-studio"
    folder.mkdir(exist_ok=True)
    prefs = {"theme": theme, "window": {"size": [float(side) for side in size]}, **more}
    (folder / "prefs.json").write_text(json.dumps(prefs))


class Window:
    """A window of the program, with a folder for pictures of it."""

    def __init__(self, program, folder, *arguments):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.focused = None
        self.lines = []
        self.log = open(self.folder / "log", "a")
        command = [program, *map(str, arguments), "--device", "cpu"]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        self.listener = Atspi.EventListener.new(self.take_event)
        self.listener.register("object:state-changed:focused")

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is not None:
            self.picture("failed")
        self.end()

    def end(self, signal=15):
        """Ends the program; once is enough."""
        if self.log.closed:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal)
            self.process.wait(60)
        self.listener.deregister("object:state-changed:focused")
        self.log.close()

    def take_event(self, event):
        if event.detail1:
            self.focused = event.source

    def pump(self, seconds, until=lambda: False):
        """Lets time pass, until something holds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            if not GLib.MainContext.default().iteration(False):
                time.sleep(0.01)

    def say(self, line):
        print(line, flush=True)
        self.lines.append(line)
        (self.folder / "steps.txt").write_text("\n".join(self.lines) + "\n")

    # What the window says.

    def nodes(self):
        """All that is in the window, with names."""
        desktop = Atspi.get_desktop(0)
        waiting = [desktop.get_child_at_index(number) for number in range(desktop.get_child_count())]
        while waiting:
            node = waiting.pop()
            if node is None:
                continue
            try:
                yield node, node.get_name() or ""
                waiting.extend(reversed([node.get_child_at_index(number) for number in range(node.get_child_count())]))
            except GLib.Error:
                # It has gone meanwhile.
                continue

    def find(self, pattern):
        """What has such a name, as [(node, name)]."""
        return [(node, name) for node, name in self.nodes() if re.fullmatch(pattern, name)]

    def says(self, pattern):
        return bool(self.find(pattern))

    def wait(self, pattern, seconds):
        """Waits until the window says something; gives the words."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise Failed(f"the program has ended with {self.process.returncode}")
            for _, name in self.find(pattern):
                return name
            self.pump(0.5)
        raise Failed(f"waited {seconds} s for {pattern!r}; the window says {sorted({name for _, name in self.nodes()})}")

    def gone(self, pattern, seconds):
        """Waits until the window says something no more."""
        end = time.monotonic() + seconds
        while self.says(pattern):
            if time.monotonic() > end:
                raise Failed(f"after {seconds} s the window still says {pattern!r}")
            self.pump(0.5)

    def begin(self, title):
        """Waits for the window and its first samples, and gives it the keyboard."""
        search = ["xdotool", "search", "--sync", "--name", title, "windowfocus"]
        subprocess.run(search, check=True, timeout=120)
        self.away()
        self.wait("Sample 0.*", 120)
        self.pump(3)

    # Keys.

    def key(self, *keys):
        for key in keys:
            subprocess.run(["xdotool", "key", "--clearmodifiers", key], check=True)
            self.pump(0.2)

    def type(self, text):
        subprocess.run(["xdotool", "type", "--delay", "10", str(text)], check=True)
        self.pump(0.4)

    def name(self):
        """What has the keyboard."""
        try:
            return self.focused and self.focused.get_name()
        except GLib.Error:
            return None

    def tab(self, key="Tab"):
        """One control further; its name."""
        self.focused = None
        subprocess.run(["xdotool", "key", key], check=True)
        # A second Tab before the answer to the first would lead too far; a busy machine is slow to answer.
        self.pump(20.0, lambda: self.focused is not None)
        return self.name()

    def to(self, name, key="Tab"):
        """Goes on with Tab until a control has the keyboard."""
        seen = []
        for tabs in range(MOST_TABS):
            here = self.tab(key)
            seen.append(here)
            if here == name:
                # The grid keeps arrow keys to itself only from the frame after that in which it got the keyboard.
                self.pump(1.5)
                self.say(f"  {name}: {tabs + 1} x {key}")
                return
        raise Failed(f"{key} does not lead to {name!r}, but to {list(dict.fromkeys(seen))}")

    def press(self, name, key="Return"):
        self.to(name)
        self.key(key)

    def answer(self, path):
        """Types a path where one is asked for."""
        self.wait("Path", 15)
        self.key("ctrl+a")
        self.type(path)
        self.key("Return")

    # The pointer.

    def place(self, node):
        """Where a control is on the screen: left, top, width, height."""
        box = node.get_component_iface().get_extents(Atspi.CoordType.SCREEN)
        return box.x, box.y, box.width, box.height

    def move(self, node, across=0.5, down=0.5):
        left, top, width, height = self.place(node)
        x, y = round(left + across * width), round(top + down * height)
        subprocess.run(["xdotool", "mousemove", str(x), str(y)], check=True)

    def click(self, name, button=1):
        """Clicks what has this name: a control, where words have it as well, and the topmost."""
        found = [node for node, _ in self.find(re.escape(name))]
        controls = [node for node in found if node.get_role() != Atspi.Role.LABEL]
        if not found:
            raise Failed(f"there is no {name!r} to click")
        self.move((controls or found)[-1])
        subprocess.run(["xdotool", "click", str(button)], check=True)
        self.pump(0.5)

    def choose(self, name, entry):
        """Chooses from a menu or a list, also what it would have to be scrolled to."""
        self.click(name)
        self.wait(re.escape(entry), 15)
        node, _ = self.find(re.escape(entry))[-1]
        node.get_action_iface().do_action(0)
        self.pump(0.5)
        self.key("Escape")

    def drag(self, node, *places):
        """Drags over a control, from place to place in parts of it."""
        self.move(node, *places[0])
        subprocess.run(["xdotool", "mousedown", "1"], check=True)
        for place in places[1:]:
            self.pump(0.8)
            self.move(node, *place)
        self.pump(0.8)
        subprocess.run(["xdotool", "mouseup", "1"], check=True)
        self.pump(0.5)

    def away(self):
        """The pointer where nothing says or does anything: in the middle of the top bar."""
        size = subprocess.run(["xdotool", "getdisplaygeometry"], check=True, capture_output=True, text=True).stdout
        subprocess.run(["xdotool", "mousemove", str(int(size.split()[0]) // 2), "23"], check=True)

    def picture(self, name, wait=0.8, crop=None):
        """A picture of the screen, or of a part of it (left, top, width, height), once it has come to rest."""
        self.pump(wait)
        path = self.folder / f"{name}.png"
        part = ["-crop", "{2}x{3}+{0}+{1}".format(*crop), "+repage"] if crop else []
        subprocess.run(["import", "-window", "root", *part, path], check=True)
        self.say(f"{path.name}: the keyboard is on {self.name() or 'nothing'!r}")
