"""What terminal we are on: one without UTF-8 gets letters that it knows, one without colours gets none."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Mapping
from functools import cache

from rich.cells import cell_len
from textual.drivers.linux_driver import LinuxDriver

_PICTURES = {
    "-": "─━═╌┄▔▁▂▃▄▅▆▇",
    "|": "│┃║▏▎▍▌▋▊▉▕▐",
    "+": "┌┐└┘├┤┬┴┼╭╮╯╰┏┓┗┛╔╗╚╝",
    "#": "█▀▓▒░",
    "*": "•●◆▶►",
    "v": "▼▾",
    "^": "▲▴",
    ".": "…·",
}
_PLAIN = str.maketrans({picture: plain for plain, pictures in _PICTURES.items() for picture in pictures})


def knows_only_ascii(environment: Mapping[str, str]) -> bool:
    """Tell whether the terminal is said to know ASCII alone.

    The first of LC_ALL, LC_CTYPE and LANG that is set decides, as POSIX has it; where none is set, Python's own
    choice for standard output does. (Python writes UTF-8 in the locale ``C``, whatever the terminal can show.)
    """
    named = next((environment[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environment.get(name)), "")
    if named and named not in ("C", "POSIX"):
        return not named.partition("@")[0].lower().replace("-", "").endswith("utf8")
    if named:
        return True
    stream = sys.__stdout__
    return stream is not None and codecs.lookup(stream.encoding or "utf-8").name != "utf-8"


class AsciiDriver(LinuxDriver):
    """Writes nothing but ASCII: lines are drawn with ``+-|``, and other letters become ``?``, cell for cell."""

    def write(self, data: str) -> None:
        """Write *data* to the terminal."""
        super().write(plain(data))


def plain(text: str) -> str:
    """Return *text* in ASCII, each letter as wide as it was."""
    if text.isascii():
        return text
    return "".join(one if one.isascii() else "?" * _width(one) for one in text.translate(_PLAIN))


@cache
def _width(letter: str) -> int:
    return cell_len(letter)


def wants_no_colour() -> bool:
    """Tell whether NO_COLOR is set to anything (https://no-color.org)."""
    return bool(os.environ.get("NO_COLOR"))
