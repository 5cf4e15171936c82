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
_SEQUENCE = re.compile(rb"\x1b\[([<=>?]?)([0-9;:]*)([@-~])")
_PARAMETERS = dict.fromkeys(b"@ABCDEFGLMPXade`g", 1) | dict.fromkeys(b"Hfr", 2) | {ord("J"): 1, ord("K"): 1}
"""How many parameters a control sequence may have that pyte is to draw; with more, and some others, it fails."""
_WHOLE_SCREEN = 3  # the greatest parameter of the sequences that erase
_CUT_SEQUENCE = re.compile(rb"\x1b(?:\[[<=>?]?[0-9;:]*)?$")
_RULE = re.compile(r"^\s*[─━]{3,}")
_MARK = "\u276f"  # the heavy angle bracket before the box and before the option that is marked
_BOX = re.compile(rf"^\s*[{_MARK}!>](?:\s|$)")
_OPTION = re.compile(rf"^\s*({_MARK})?\s*(\d)\.\s+(\S.*?)\s*$")
_MARKED = re.compile(rf"^\s*{_MARK}\s+(\S.*)$")
_CONFIRM = re.compile(r"\b(Enter|Esc) to \w+")
_FEWEST = 2  # with fewer answers it is no question
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
        self._stream.feed(_SEQUENCE.sub(_drawable, data[: cut.start()] if cut else data))
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
        found = self._numbered() or self._unnumbered()
        if found is None:
            return None
        first, last, options = found
        if len(options) < _FEWEST or sum(option.is_chosen for option in options) != 1:
            return None
        if any(_RULE.match(line) for line in self._drawn[last + 1 :]):
            return None  # it is text above the box
        above = [line for line in self._drawn[:first] if line.strip()]
        rules = [at for at, line in enumerate(above) if _RULE.match(line)]
        return Dialog(text="\n".join(above[(rules[-1] + 1) if rules else 0 :]), options=options)

    def _numbered(self) -> tuple[int, int, tuple[Option, ...]] | None:
        """Return first and last line and the options of the last list that counts 1, 2, 3."""
        tail: list[tuple[int, re.Match[str]]] = []
        for at in range(len(self._drawn) - 1, -1, -1):
            match = _OPTION.match(self._drawn[at])
            if match is None:
                continue
            if tail and int(match[2]) != int(tail[0][1][2]) - 1:
                break
            tail.insert(0, (at, match))
        if not tail or tail[0][1][2] != "1":
            return None
        options = tuple(Option(number=int(one[2]), text=one[3], is_chosen=bool(one[1])) for _, one in tail)
        return tail[0][0], tail[-1][0], options

    def _unnumbered(self) -> tuple[int, int, tuple[Option, ...]] | None:
        """Return the same of a list without numbers: lines that begin where the marked one does."""
        marked = [(at, match) for at, line in enumerate(self._drawn) if (match := _MARKED.match(line))]
        if not marked or not any(_CONFIRM.search(line) for line in self._drawn[marked[-1][0] :]):
            return None
        at, match = marked[-1]
        first = last = at
        while first > 0 and self._begins_at(first - 1, match.start(1)):
            first -= 1
        while last + 1 < len(self._drawn) and self._begins_at(last + 1, match.start(1)):
            last += 1
        options = tuple(
            Option(number=number, text=self._drawn[line][match.start(1) :], is_chosen=line == at)
            for number, line in enumerate(range(first, last + 1), start=1)
        )
        return first, last, options

    def _begins_at(self, line: int, column: int) -> bool:
        text = self._drawn[line]
        return bool(text.strip()) and len(text) - len(text.lstrip()) == column and not _RULE.match(text)


def _drawable(sequence: re.Match[bytes]) -> bytes:
    """Return a control sequence as it is when pyte can draw it, else nothing."""
    prefix, parameters, final = sequence[1], sequence[2], sequence[3]
    if prefix or final in b"hl":
        return sequence[0] if prefix in (b"", b"?") and final in b"hl" and b":" not in parameters else b""
    if final == b"m":
        return b""  # colours mean nothing here
    numbers = parameters.split(b";")
    if len(numbers) > _PARAMETERS.get(final[0], 0) or b":" in parameters:
        return b""
    is_too_much = final in b"JK" and numbers[0] and int(numbers[0]) > _WHOLE_SCREEN
    return b"" if is_too_much else sequence[0]
