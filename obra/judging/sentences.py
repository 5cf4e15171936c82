"""Sentences and clauses of a reply, in plain prose.

Everything here takes time linear in the length of the text.
"""

from __future__ import annotations

import re

_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|\u3002|\n")
_CLAUSE_END = re.compile(
    r"[,;:\u2013\u2014\u3001]|\s-\s|\b(?:but|however|although|though|still|yet)\b", re.IGNORECASE
)
_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
_NARROW: dict[int, int | str] = {
    **{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)},
    **dict.fromkeys((0x2018, 0x2019, 0x02BC), "'"),
    **dict.fromkeys((0x00A0, 0x202F, 0x3000), " "),
}
_QUOTED = re.compile(r'"[^"\n]{0,200}"|\u201c[^\u201d\n]{0,200}\u201d')
_NEGATION = re.compile(
    r"\b(?:not|no|none|never|neither|nor|nothing|nobody|without|cannot|unable|fail(?:s|ed)?|hardly|"
    r"nicht|kein\w?|nie|pas|aucun\w?|ningun\w?|non)\b|n't\b",
    re.IGNORECASE,
)


def plain(text: str) -> str:
    """Return *text* with full-width letters narrow, apostrophes straight and invisible characters gone.

    Not Unicode's NFKC: normal forms sort combining marks, which takes quadratic time on hostile text.
    """
    return text if text.isascii() else _INVISIBLE.sub("", text).translate(_NARROW)


def sentences(text: str) -> list[str]:
    """Return the sentences of *text* with their end marks; each line ends one too."""
    found: list[str] = []
    start = 0
    for end in _SENTENCE_END.finditer(text):
        found.append(text[start : end.end()].strip())
        start = end.end()
    found.append(text[start:].strip())
    return [sentence for sentence in found if sentence]


def clauses(sentence: str) -> list[str]:
    """Return the parts of *sentence* between commas, colons, dashes and words such as 'but'."""
    return [clause for clause in (part.strip() for part in _CLAUSE_END.split(sentence)) if clause]


def is_negated(clause: str) -> bool:
    """Tell whether *clause* says that something is not so."""
    return _NEGATION.search(clause) is not None


def without_quotes(sentence: str) -> str:
    """Return *sentence* without what stands in double quotes: somebody else's words."""
    return _QUOTED.sub(" ", sentence)
