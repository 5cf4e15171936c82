"""Pictures of real screens, made from real runs: ``python docs/pictures.py [FOLDER]``.

It runs scenarios with the mock agent in a new folder ``/tmp/obra-pictures``, which must not be there, looks at
them as a person would, and writes what stood on the screens: SVG of terminals, PNG of pages in Chromium
(``apt-get install chromium chromium-driver``). Times and ids differ from run to run, and nothing else does. The
pages are in ``pictures_of_pages.py``.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import pexpect
import pyte
from pictures_of_pages import picture_pages
from rich.console import Console
from rich.style import Style
from rich.text import Text

ROOT = Path(__file__).parent.parent
DEMO = Path("/tmp/obra-pictures")  # the same words in every picture; refused when somebody has it
SECONDS = 60
SCENARIO = """\
name: word_count
task:
  title: Count words
  description: A program words.py that prints each word of its argument with how often it stands there.
limits: {iterations: 3, seconds: 300}
checks:
  - file: words.py
  - command: {run: python words.py "to be or not to be", output: "be 2"}
script:
  - say: It prints the words.
    write: {words.py: "import sys\\n\\nfor word in sys.argv[1].split():\\n    print(word)\\n"}
  - say: Now it counts them.
    write:
      words.py: |
        import sys
        from collections import Counter

        for word, count in Counter(sys.argv[1].split()).items():
            print(word, count)
      try_it.py: "import time\\n\\ntime.sleep(8)\\n"
    run: python try_it.py
reviewer:
  - {score: 40, issues: [nothing is counted]}
  - {score: 92}
expect:
  truth: [{command: {run: python words.py "a b a", output: "a 2"}}]
"""


def main(target: Path) -> None:
    """Make all pictures."""
    target.mkdir(parents=True, exist_ok=True)
    if DEMO.exists():
        sys.exit(f"{DEMO} is there already; remove it, or rename it")
    (DEMO / "scenarios").mkdir(parents=True)
    try:
        (DEMO / "scenarios/word_count.obra.yaml").write_text(SCENARIO, encoding="utf-8")
        for name in ("calculator", "hello_world", "vague_task"):
            shutil.copy(ROOT / f"scenarios/{name}.obra.yaml", DEMO / "scenarios")
        picture_pytest(target)
        picture_interactive(target)
        picture_watch(target)
        picture_pages(target, DEMO, variables())
    finally:
        shutil.rmtree(DEMO)


def variables() -> dict[str, str]:
    """Return the environment of a program: no settings of whoever runs this, and a home of its own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OBRA", "PYTEST", "CI"))}
    return {
        **kept,
        "HOME": str(DEMO),
        "TERM": "xterm-256color",
        "PROMPT_TOOLKIT_NO_CPR": "1",
        "LANG": "C.UTF-8",
        "OBRA_LOG_LEVEL": "INFO",
    }


# --- pytest in a terminal


class Terminal:
    """A program in a terminal, and what a person sees there."""

    def __init__(self, *words: str, size: tuple[int, int] = (100, 30)) -> None:
        self.screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self.screen)
        self.program = pexpect.spawn(
            sys.executable, list(words), cwd=str(DEMO), env=variables(), dimensions=size[::-1]
        )

    @property
    def text(self) -> str:
        """All of the screen."""
        return "\n".join(self.screen.display)

    def see(self, pattern: str = "") -> None:
        """Read until the screen shows *pattern*, or without one until the program ends."""
        end = time.monotonic() + SECONDS
        while not (pattern and re.search(pattern, self.text, re.MULTILINE)):
            if time.monotonic() > end:
                sys.exit(f"no {pattern!r} in:\n{self.text}")
            try:
                self._stream.feed(self.program.read_nonblocking(65536, timeout=0.2))
            except pexpect.TIMEOUT:
                continue
            except pexpect.EOF:
                break

    def save(self, path: Path, title: str) -> None:
        """Write what is to be seen now."""
        save(path, drawn(self.screen, title))


def picture_pytest(target: Path) -> None:
    """The lines of running scenarios, and the closing table."""
    words = ("-p", "no:cacheprovider", "--basetemp", "tmp", "--alluredir", "allure-results")
    here = Terminal("-m", "pytest", *words, "scenarios")
    here.see(r"word_count +mock +attempt 2 +agent +\d")
    here.save(target / "pytest-live.svg", "pytest scenarios")
    here.see()
    here.program.wait()
    here.save(target / "pytest-summary.svg", "pytest scenarios")


def picture_interactive(target: Path) -> None:
    """A run in the background, told something while its agent is at work."""
    here = Terminal("-m", "obra", size=(120, 34))
    for line, seen in (
        ("run scenarios/word_count.obra.yaml", "agent +python try_it.py"),
        ("say sort the words by how often they stand there", "will be told"),
    ):
        here.see(r"obra>\s*\Z")
        here.program.send(f"{line}\r")
        here.see(seen)
    here.see(r"obra>\s*\Z")
    here.save(target / "interactive.svg", "obra")
    here.see("ended with exit code 0")
    here.program.send("quit\r")
    here.see()


def drawn(screen: pyte.Screen, title: str) -> str:
    """Return what stands in a terminal as SVG."""
    nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # it is open as long as the console
    last = max(number for number, line in enumerate(screen.display) if line.strip())
    console = Console(record=True, width=screen.columns, file=nowhere, force_terminal=True)
    for number in range(last + 1):
        text = Text(no_wrap=True)
        cells = [screen.buffer[number][column] for column in range(screen.columns)]
        for style, group in groupby(cells, key=style_of):
            text.append("".join(cell.data for cell in group), style)
        text.rstrip()
        console.print(text)
    return console.export_svg(title=title)


def style_of(cell: pyte.screens.Char) -> Style:
    """Return how a cell of a terminal looks."""
    names = {"brown": "yellow", "default": "default"}
    colours = [
        names.get(one, f"#{one}" if re.fullmatch("[0-9a-f]{6}", one) else one) for one in (cell.fg, cell.bg)
    ]
    colours = [re.sub("^bright", "bright_", one) for one in colours]
    return Style(color=colours[0], bgcolor=colours[1], bold=cell.bold, reverse=cell.reverse)


# --- obra watch


def picture_watch(target: Path) -> None:
    """All four panes while a run is under way, and the diff of its last attempt."""
    os.chdir(DEMO)
    words = ["-m", "obra", "run", "scenarios/word_count.obra.yaml", "-o", "logging.file=obra.log"]
    with subprocess.Popen([sys.executable, *words], env=variables(), stdout=subprocess.DEVNULL):
        asyncio.run(watched(target))


async def watched(target: Path) -> None:
    """Look at the run with the real screen, as Textual paints it."""
    from obra.cli.watch import places_of
    from obra.config import Config
    from obra.watching.application import Watch
    from obra.watching.dialogs import DiffDialog
    from obra.watching.doors import Doors
    from obra.watching.lookout import Lookout

    config = Config.load(overrides=["logging.file=obra.log"])
    lookout = Lookout(places_of(config))
    app = Watch(lookout, Doors(answer=nobody, ask=nobody))
    try:
        async with app.run_test(size=(120, 36)) as pilot:
            await until(lambda: "agent  attempt 2" in shown(app, "execution"))
            await until(lambda: "created   try_it.py" in shown(app, "workspace"))
            await pilot.pause(1)
            save(target / "watch.svg", app.export_screenshot(title="obra watch"))
            await until(lambda: "completed  attempt 2" in shown(app, "execution"))
            await pilot.press("d")
            await until(lambda: isinstance(app.screen, DiffDialog) and "Counter" in app.screen.text.plain)
            await pilot.pause(1)
            save(target / "watch-diff.svg", app.export_screenshot(title="obra watch"))
    finally:
        lookout.close()


def shown(app: Any, pane: str) -> str:
    """Return what a pane shows."""
    text: str = app.watch_screen.query_one(f"#{pane}").text
    return text


def nobody(*_: object) -> Any:
    """Nothing is asked while pictures are taken."""


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that is about to happen."""
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110  # what is waited for is painted, and tells nobody
            await asyncio.sleep(0.05)


def save(path: Path, svg: str) -> None:
    """Write an SVG that asks no other host for fonts."""
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    path.write_text(svg, encoding="utf-8")
    print(f"{path} ({len(svg) // 1024} KB)")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/pictures")
