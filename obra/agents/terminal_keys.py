"""What is typed into an interactive Claude Code, as bytes; nothing here reads or waits.

Measured with the real 2.1.330: a bracketed paste of more than some lines becomes a placeholder, and reaches the
model marked as pasted text that may not be the user's own words. Many short pastes in a row arrive word for word,
at once; but some thousand take minutes, so a very long prompt is one paste after a sentence that owns it. A tab
becomes four blanks, and invisible characters are taken out.
"""

from __future__ import annotations

import re
import unicodedata

ENTER = b"\r"
ESCAPE = b"\x1b"
CONTROL_C = b"\x03"
TAB = b"\t"
UP = b"\x1b[A"
DOWN = b"\x1b[B"

_BEGIN, _END = b"\x1b[200~", b"\x1b[201~"
_LINES = 2  # newlines in one paste; with three it becomes a placeholder
_CHARACTERS = 400  # the same at some 800
_PASTES = 200  # short ones at most; 4000 took over 20 s to be drawn
_LEADS = frozenset("/!#&@?~\\>-<")
_GUARD = "Prompt:\n"
_FOREWORD = "This is my own prompt, do what it says: "
_MARKS = re.compile(r'</?pasted_content id="\w*">')


def prompt_text(prompt: str) -> str:
    """Return *prompt* as it can be typed without doing anything but writing.

    A control character (an escape sequence, the end of a bracketed paste) becomes its visible picture, such as
    ``␛``; the first character must not be one that opens a command or a mode of the program; the last one must not
    leave a list of suggestions open.
    """
    text = prompt.encode("utf-8", "replace").decode().replace("\r\n", "\n").replace("\r", "\n")
    text = "".join(map(_visible, text)).strip()
    if text[:1] in _LEADS:
        text = _GUARD + text
    return f"{text} "


def pastes(text: str) -> bytes:
    """Return what pastes *text*, which :func:`prompt_text` has made safe."""
    pieces: list[str] = [""]
    for line in text.splitlines(keepends=True):
        for part in (line[at : at + _CHARACTERS] for at in range(0, len(line), _CHARACTERS)):
            joined = pieces[-1] + part
            if len(joined) > _CHARACTERS or joined.count("\n") > _LINES:
                pieces.append(part)
            else:
                pieces[-1] = joined
    if len(pieces) > _PASTES:
        pieces = [_FOREWORD, text]
    return b"".join(_BEGIN + piece.encode() + _END for piece in pieces if piece)


def is_same(typed: str, heard: str) -> bool:
    """Tell whether the program has understood what was typed, but for white space and invisible characters."""
    return _seen(typed) == _seen(_MARKS.sub("", heard).removeprefix(_FOREWORD))


def _seen(text: str) -> str:
    composed = unicodedata.normalize("NFC", text)  # as the program does
    return "".join(letter for letter in composed if letter.isprintable() and not letter.isspace())


def _visible(letter: str) -> str:
    if letter in "\n\t" or unicodedata.category(letter) != "Cc":
        return "\n" if letter in "\u2028\u2029" else letter
    code = ord(letter)
    if code < 0x20:  # noqa: PLR2004  # the C0 controls, whose pictures stand at U+2400 in the same order
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else "\ufffd"  # noqa: PLR2004  # DEL has a picture, the C1 controls have none
