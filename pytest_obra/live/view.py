"""How running scenarios are shown: on a terminal a line for each below pytest's own, elsewhere one now and then.

Imported in every run of pytest, so it imports nothing heavy; Rich comes with the first scenario that takes long.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Generator, Mapping
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TextIO

import pytest

from obra.reports.quoting import visible
from pytest_obra.live.feed import FEED, LOOK_EVERY, Outbox, Tail, WorkerFeed
from pytest_obra.live.running_now import RunningNow, columns

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

_SHARE_OF_SCREEN = 3
"""The lines take at most one part in so many of the terminal's height."""
_LONGEST_CELL = 32
"""Characters of a scenario's name that are shown."""
_STYLES = ("bold", "dim", "", "cyan", "", "")
_WORKER_FOLDER = "obra_live"


def mode_of(config: pytest.Config) -> str:
    """Return how this run shows what is running: ``lines``, ``plain`` or ``off``.

    ``auto`` takes lines on a terminal; plain where there is none, where ``CI`` is set and where the terminal is
    dumb; and nothing under ``-s`` (the conversation is shown), ``-q -q`` and ``--collect-only``. Nothing is ever
    shown without pytest's own terminal plugin (``-p no:terminal``) or with standard output closed.
    """
    if not config.pluginmanager.hasplugin("terminal") or sys.__stdout__ is None:
        return "off"
    asked: str = config.getoption("--obra-live")
    if asked != "auto":
        return asked
    captures = config.getoption("capture", "no") != "no"  # pytest may run without its plugin for that
    if config.option.collectonly or not captures or config.getoption("verbose") < -1:
        return "off"
    is_terminal = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    return "lines" if is_terminal and not os.environ.get("CI") else "plain"


def show_live(config: pytest.Config) -> None:
    """Show running scenarios in this run, if that is asked for."""
    mode = mode_of(config)
    if mode != "off":
        config.pluginmanager.register(LiveView(config, mode), "obra-live")


def follow_worker(config: pytest.Config) -> None:
    """Let an xdist worker tell what it is doing, if the controller looks."""
    given: dict[str, Any] = vars(config)["workerinput"]
    if folder := given.get(_WORKER_FOLDER):
        WorkerFeed(config, Path(folder) / f"{given['workerid']}.jsonl")


class LiveView:
    """Registered where the whole run is seen; shows what this process and its workers tell."""

    def __init__(self, config: pytest.Config, mode: str) -> None:
        """Take messages from now on; *mode* is ``lines`` or ``plain``."""
        self._config = config
        self._running = RunningNow()
        self._outbox = Outbox()
        self._lock = threading.RLock()
        self._folder: TemporaryDirectory[str] | None = None
        self._tail: Tail | None = None
        self._ticker: threading.Thread | None = None
        self._stop = threading.Event()
        self._out: TextIO | None = None
        self._screen: Lines | None = None
        self._lines = mode == "lines"
        self._plain_every: float = config.getoption("--obra-live-every")
        self._said: dict[str, float] = {}
        config.stash[FEED] = self._take
        config.add_cleanup(self.close)

    def pytest_sessionstart(self) -> None:
        """Keep standard output as it is now: while a test runs, pytest captures it."""
        self._out = os.fdopen(os.dup(sys.__stdout__.fileno() if sys.__stdout__ else 1), "w", encoding="utf-8")

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell an xdist worker where to write what it is doing."""
        if self._folder is None:
            self._folder = TemporaryDirectory(prefix="obra-live-")
            self._tail = Tail(Path(self._folder.name))
            self._start()
        node.workerinput[_WORKER_FOLDER] = self._folder.name

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logstart(self) -> Generator[None, None, None]:
        """Make room while pytest writes."""
        with self._lock:
            self._erase()
            yield

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, None, None]:
        """Make room while pytest writes; a worker that was killed tells no end of its own."""
        with self._lock:
            self._erase()
            if report.failed and report.when not in {"setup", "call", "teardown", "run"}:
                self._read()
                self._running.end(report.nodeid)
            yield

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logfinish(self) -> Generator[None, None, None]:
        """Make room while pytest writes."""
        with self._lock:
            self._erase()
            yield

    @pytest.hookimpl(wrapper=True, tryfirst=True, optionalhook=True)
    def pytest_testnodedown(self) -> Generator[None, None, None]:
        """Make room while xdist tells that a worker ended."""
        with self._lock:
            self._erase()
            yield

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Show nothing any more: what follows is the summary."""
        self.close()

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self) -> None:
        """Leave the terminal as it was."""
        self.close()

    def close(self) -> None:
        """Erase the lines, end the thread, remove the workers' folder; calling it again changes nothing."""
        self._stop.set()
        if self._ticker is not None:
            self._ticker.join()
            self._ticker = None
        with self._lock:
            self._erase()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = self._tail = None
        if self._out is not None:
            self._out.close()
            self._out = None

    def _take(self, message: Mapping[str, Any]) -> None:
        self._outbox.tell(message)
        self._start()

    def _start(self) -> None:
        if self._ticker is None and not self._stop.is_set():
            self._ticker = threading.Thread(target=self._tick, name="obra-live", daemon=True)
            self._ticker.start()

    def _tick(self) -> None:
        while not self._stop.wait(LOOK_EVERY):
            with self._lock:
                self._read()
                if self._lines:
                    self._paint()
                else:
                    self._tell_plainly()

    def _read(self) -> None:
        """Bring what is known up to date, of this process and of its workers."""
        for message in chain(self._outbox.drain(), self._tail.messages() if self._tail else ()):
            self._running.take(message)

    def _erase(self) -> None:
        if self._screen is not None:
            self._screen.erase()
            self._screen = None

    def _paint(self) -> None:
        now = time.monotonic()
        rows = columns((one for one in self._running.all() if now - one.started >= LOOK_EVERY), now)
        if not rows or self._out is None:
            self._erase()
            return
        most = max(1, _size_of(self._out).lines // _SHARE_OF_SCREEN)
        if self._screen is None:
            self._screen = Lines(self._out, column=self._config.get_terminal_writer().width_of_current_line)
        self._screen.show(rows[:most], more=len(rows) - most)

    def _tell_plainly(self) -> None:
        now = time.monotonic()
        for one, row in zip(self._running.all(), columns(self._running.all(), now), strict=True):
            key = f"{one.name}\n{one.agent}\n{one.started}"
            if self._out is not None and now - self._said.get(key, one.started) >= self._plain_every:
                self._said[key] = now
                self._out.write(f"\nobra: {'  '.join(filter(None, row))}\n")
                self._out.flush()


class Lines:
    """Lines below whatever stands on the terminal, until they are erased."""

    def __init__(self, out: TextIO, *, column: int) -> None:
        """Paint on *out*, whose cursor stands in *column*, counted from 0."""
        from rich.console import Console

        self._out = out
        self._column = column
        self._console = Console(file=out, force_terminal=True, soft_wrap=False)
        self._live: Live | None = None

    def show(self, rows: list[tuple[str, ...]], *, more: int) -> None:
        """Paint *rows* in the place of the last ones; *more* are not shown."""
        from rich.live import Live

        if self._live is None:
            if self._column:
                self._out.write("\n")
            self._live = Live(
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        self._console.size = _size_of(self._out)
        self._live.update(_lines(rows, more), refresh=True)

    def erase(self) -> None:
        """Take the lines away and put the cursor back where it stood."""
        if self._live is not None:
            self._live.stop()
            self._live = None
            if self._column:
                self._out.write(f"\x1b[1A\x1b[{self._column + 1}G")
            self._out.flush()


def _size_of(out: TextIO) -> os.terminal_size:
    """Return columns and lines of the terminal behind *out*, as they are now; 80 x 24 where none tells.

    Standard streams do not know them: while a test runs, pytest leads them elsewhere.
    """
    try:
        found = os.get_terminal_size(out.fileno())
    except OSError:
        return os.terminal_size((80, 24))
    return os.terminal_size((found.columns or 80, found.lines or 24))


def _lines(rows: list[tuple[str, ...]], more: int) -> RenderableType:
    """Return the rows in columns; what is too long for the terminal is cut at its end, the agent's act first."""
    from rich.text import Text

    cells = [tuple(_cut(cell) for cell in row[:-1]) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    text = Text(no_wrap=True, overflow="ellipsis")
    for fixed, row in zip(cells, rows, strict=True):
        for cell, width, style in zip(fixed, widths, _STYLES, strict=True):
            text.append(f"{cell:<{width}}  ", style)
        text.append(visible(row[-1]) + "\n", "dim")
    if more > 0:
        text.append(f"and {more} more\n")
    text.right_crop(1)
    return text


def _cut(cell: str) -> str:
    return visible(cell if len(cell) <= _LONGEST_CELL else f"{cell[: _LONGEST_CELL - 1]}\u2026")
