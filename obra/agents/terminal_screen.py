"""TerminalScreen: what a person would see of an interactive program, and what that means.

A terminal emulator (pyte) draws; the reading is of the drawn lines alone, never of bytes. Width and height are
free: nothing here counts columns.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from obra.domain import Record
from obra.errors import AgentUnavailable

ROWS, COLUMNS = 50, 160
_UNKNOWN_SEQUENCES = re.compile(rb"\x1b\[[<=>][0-9;:]*[A-Za-z]")
"""Keyboard and version queries that pyte would take for text."""
_CUT_SEQUENCE = re.compile(rb"\x1b(?:\[[<=>]?[0-9;:]*)?$")
_RULE = re.compile(r"^\s*[─━]{3,}")
_MARK = "\u276f"  # the heavy angle bracket before the box and before the option that is marked
_BOX = re.compile(rf"^\s*[{_MARK}!>](?:\s|$)")
_OPTION = re.compile(rf"^\s*({_MARK})?\s*(\d)\.\s+(\S.*?)\s*$")
_BUSY = re.compile(r"esc to interrupt|\besc to (?:stop|cancel)\b", re.IGNORECASE)
_SHOWN_LINES = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Option(Record):
    """One line of a dialog that can be chosen."""

    number: int
    text: str
    is_chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialog(Record):
    """A question with numbered answers, one of which is marked."""

    text: str
    options: tuple[Option, ...]

    def find(self, pattern: str) -> Option | None:
        """Return the first option whose text matches the regular expression from its beginning."""
        return next((option for option in self.options if re.match(pattern, option.text)), None)

    @property
    def chosen(self) -> Option:
        """The option that is marked."""
        return next(option for option in self.options if option.is_chosen)


class TerminalScreen:
    """A screen that is fed with a program's output.

    Attributes:
        changed: monotonic time of the last change of what is drawn.
    """

    def __init__(self, rows: int = ROWS, columns: int = COLUMNS) -> None:
        """Make an empty screen.

        Raises:
            AgentUnavailable: the terminal emulator is not installed.
        """
        try:
            import pyte
        except ImportError as error:
            raise AgentUnavailable(
                "agent.local.transport is 'terminal', which needs pexpect and pyte: pip install 'obra[terminal]'"
            ) from error
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._rest = b""
        self._drawn: tuple[str, ...] = ()
        self.changed = time.monotonic()

    def feed(self, data: bytes) -> None:
        """Draw what the program wrote."""
        data = self._rest + data
        cut = _CUT_SEQUENCE.search(data)
        self._rest = data[cut.start() :] if cut else b""
        self._stream.feed(_UNKNOWN_SEQUENCES.sub(b"", data[: cut.start()] if cut else data))
        drawn = tuple(line.rstrip() for line in self._screen.display)
        if drawn != self._drawn:
            self._drawn = drawn
            self.changed = time.monotonic()

    def is_stable(self, seconds: float) -> bool:
        """Tell whether nothing on it has changed for so long."""
        return time.monotonic() - self.changed >= seconds

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines that are not empty, top to bottom."""
        return tuple(line for line in self._drawn if line.strip())

    def last_lines(self) -> str:
        """Return the end of what is on it, for error messages; rules and empty lines are left out."""
        shown = [line.strip() for line in self.lines if not _RULE.match(line)]
        return "\n".join(shown[-_SHOWN_LINES:])

    @property
    def takes_input(self) -> bool:
        """True when the box to type into stands between its two rules, whatever is in it."""
        lines = self.lines
        rules = [at for at, line in enumerate(lines) if _RULE.match(line)]
        if len(rules) < 2 or self.dialog() is not None:  # noqa: PLR2004  # above and below it
            return False
        above, below = rules[-2:]
        is_scrolled = "more" in lines[above]  # its first line is not shown
        return below - above > 1 and (is_scrolled or bool(_BOX.match(lines[above + 1])))

    @property
    def is_idle(self) -> bool:
        """True when it takes input and nothing says that the program works."""
        return self.takes_input and not any(_BUSY.search(line) for line in self.lines[-4:])

    def dialog(self) -> Dialog | None:
        """Return the dialog that is open at the bottom of the screen, if one is."""
        lines = self.lines
        found = [(at, match) for at, line in enumerate(lines) if (match := _OPTION.match(line))]
        tail: list[tuple[int, re.Match[str]]] = []
        for at, match in reversed(found):  # the last list that counts 1, 2, 3
            if tail and int(match[2]) != int(tail[0][1][2]) - 1:
                break
            tail.insert(0, (at, match))
        options = tuple(Option(number=int(match[2]), text=match[3], is_chosen=bool(match[1])) for _, match in tail)
        if len(options) < 2 or options[0].number != 1 or sum(option.is_chosen for option in options) != 1:  # noqa: PLR2004  # one answer is no question
            return None
        after = lines[tail[-1][0] + 1 :]
        if any(_RULE.match(line) for line in after):
            return None  # it is text above the box
        first = tail[0][0]
        rules = [at for at, line in enumerate(lines[:first]) if _RULE.match(line)]
        return Dialog(text="\n".join(lines[(rules[-1] + 1) if rules else 0 : first]), options=options)
