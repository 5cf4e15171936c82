"""Foreign text on a screen: whatever it holds, it stays text, in its place, and of a length that can be shown."""

from __future__ import annotations

LONGEST_LINE = 1000
"""Characters of one line that are shown."""


def harmless(text: str, longest: int = LONGEST_LINE) -> str:
    r"""Return *text* as one line that no terminal obeys.

    Control characters, those that turn the direction of writing, and whatever else has no picture of its own are
    written out, such as ``\x1b``. Tabs become blanks. A text that is too long is cut, with a sign.
    """
    line = text[: longest + 1].replace("\t", "    ")
    if not line.isprintable():
        line = "".join(one if one.isprintable() else _written_out(one) for one in line)
    return line if len(line) <= longest else f"{line[: longest - 1]}\u2026"


def lines_of(text: str, most: int) -> list[str]:
    """Return the first *most* lines of *text*, each harmless; a last one tells how many more there are."""
    found = text.replace("\r\n", "\n").split("\n", most)
    rest = found.pop() if len(found) > most else ""
    shown = [harmless(line) for line in found]
    return [*shown, f"[and {rest.count(chr(10)) + 1} more lines]"] if rest else shown


def one_line(text: str, longest: int = LONGEST_LINE) -> str:
    """Return all of *text* on one harmless line."""
    return harmless(" ".join(text[: 2 * longest].split()), longest)


def _written_out(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")
