"""What the words of a task allow or ask for, read with care: "do not change the tests" allows nothing."""

from __future__ import annotations

import re

from obra.evidence.checks import Check
from obra.evidence.pytest_check import PytestCheck

_SENTENCE = re.compile(r"(?<=[.!?;:])\s+|\n+\s*(?:[-*]|\d+[.)])?\s*")
_NEGATED = re.compile(
    r"\b(?:not|never|no|without|cannot|neither|nor|nothing|avoid|forbidden|leave|keep|unchanged|untouched|"
    r"stays?|remains?)\b|n't\b",
    re.IGNORECASE,
)
_FORBIDDEN = re.compile(r"\b(?:not|never|without|cannot|nor|no|avoid)\b|n't\b", re.IGNORECASE)
_CHANGING = (
    r"(?:remov|delet|drop|rewrit|replac|updat|chang|adapt|adjust|renam|mov|skip|rework|migrat|convert|port|"
    r"clean|consolidat|merg|parametri[sz]|refactor|simplif|fix|correct|shorten|reduc|disabl|split|reorgani[sz]|"
    r"restructur|modif|edit|modernis|moderniz|prun|eliminat|get rid of|tidy)\w*"
)
_FILLING = r"(?:\s+(?!(?:and|so|that|until|to|then|or|but|add|write|create|new)\b)[^\s.,;:]+){0,4}?\s+"
_TESTS = (
    r"[`\"'(]*(?:[\w./-]*tests?(?:\.py|/)?|test_\w+(?:\.py)?|[\w./-]*_test\.py|assertions?|expectations?|cases)\b"
)
_CHANGES_TESTS = re.compile(rf"\b{_CHANGING}{_FILLING}{_TESTS}", re.IGNORECASE)
_REMOVING = (
    r"(?:remov|delet|drop|replac|renam|mov|clean|consolidat|merg|split|prun|eliminat|get rid of|tidy|restructur|"
    r"reorgani[sz]|convert|migrat|port)\w*"
)
_FILES = (
    r"[`\"'(]*(?:files?|modules?|scripts?|folders?|director(?:y|ies)|packages?|code|everything|leftovers?|data|"
    r"projects?|repository|layout|structure)\b"
)
_REMOVES_FILES = re.compile(rf"\b{_REMOVING}{_FILLING}{_FILES}", re.IGNORECASE)
_ASKS_TESTS = re.compile(r"\b(?:unit)?tests?\b|\bpytest\b|\bunittest\b|\btest_\w+", re.IGNORECASE)
_DOCSTRINGS = re.compile(r"\bdoc-?strings?\b", re.IGNORECASE)


def sentences(text: str) -> list[str]:
    """Return the sentences and list items of *text*."""
    return [part.strip() for part in _SENTENCE.split(text) if part.strip()]


def _allowing(text: str, pattern: re.Pattern[str]) -> bool:
    return any(pattern.search(one) and not _NEGATED.search(one) for one in sentences(text))


def allows_test_changes(text: str) -> bool:
    """Tell whether *text* asks to change, move or remove tests."""
    return _allowing(text, _CHANGES_TESTS)


def forbids_test_changes(text: str) -> bool:
    """Tell whether *text* says that tests stay as they are."""
    return any(_CHANGES_TESTS.search(one) and _FORBIDDEN.search(one) for one in sentences(text))


def allows_file_removal(text: str) -> bool:
    """Tell whether *text* asks to remove, move or merge files, without naming them."""
    return _allowing(text, _REMOVES_FILES)


def asks_for_tests(text: str, checks: tuple[Check, ...]) -> bool:
    """Tell whether tests are a part of the task: its text speaks of them, or a written check runs some."""
    return any(isinstance(check, PytestCheck) for check in checks) or _allowing(text, _ASKS_TESTS)


def docstring_sentences(text: str) -> list[str]:
    """Return the sentences that ask for docstrings."""
    return [one for one in sentences(text) if _DOCSTRINGS.search(one) and not _NEGATED.search(one)]


def names(text: str, name: str) -> bool:
    """Tell whether *text* has *name* as a word of its own; upper and lower case differ."""
    return re.search(rf"(?<![\w/.-]){re.escape(name)}(?![\w/-])", text) is not None


def names_path(text: str, path: str) -> bool:
    """Tell whether *text* names the file *path*, a folder that it lies in, or its name without an ending."""
    parts = path.split("/")
    stem = parts[-1].partition(".")[0]
    whole = (parts[-1] in text) or (len(stem) > 2 and names(text.lower(), stem.lower()))  # noqa: PLR2004  # "a", "io"
    return whole or any(f"{folder}/" in text or names(text, folder) for folder in parts[:-1])


_CODE_WORDS = re.compile(
    r"\b(?:functions?|methods?|procedures?|API|def|signatures?|implement\w*|calls?)\b", re.IGNORECASE
)


def names_function(text: str, name: str) -> bool:
    """Tell whether *text* names *name* as a function: ``name()``, in backticks, or where functions are listed."""
    if re.search(rf"(?<!\w){re.escape(name)}\(|`[^`\n]*(?<!\w){re.escape(name)}(?!\w)[^`\n]*`", text):
        return True
    if not names(text, name):
        return False
    return "_" in name.strip("_") or any(names(one, name) and _CODE_WORDS.search(one) for one in text.splitlines())
