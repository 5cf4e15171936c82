"""Every message that tells a person of something wrong: a heading explains it, and a test would see it.

The inventory is made from the source by AST: each text that is given to an error class of ours, to click's or to
pytest's refusals, to an error that ours quote, and each cure, warning and remark on standard error. What is put in
stands there as a hole. Below a heading of docs/troubleshooting.md, the list items begin with patterns in
backticks, whose ``...`` stands for anything: one of them has to fit. Tests are read the same way: one has to have
words in a row that only this message has.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HOLE = "\0"
FOREIGN = {
    "UsageError": ("UsageError",),
    "BadParameter": ("UsageError",),
    "ArgumentTypeError": ("UsageError",),
    "CollectError": ("ScenarioError",),
    "DocumentError": ("ScenarioError",),
    "ValueProblem": ("ScenarioError",),
    "ScriptMismatch": ("AgentCrashed",),
    "CassetteMiss": ("AgentCrashed",),
    "ValueError": ("ScenarioError", "UsageError", "LLMProtocolError", "ObraError"),
    "TypeError": ("ObraError",),
    "RuntimeError": ("CheckError", "ObraError"),
    "TimeoutError": ("CheckError", "AgentCrashed"),
    "PermissionError": ("CheckError",),
    "NotADirectoryError": ("CheckError",),
    "Missing": ("CheckError",),
    "Unusable": ("CheckError",),
    "Unreadable": ("LLMProtocolError",),
    "NotDelivered": ("Warnings",),
    "Prerequisite": ("PrerequisiteError",),
    "_package": ("PrerequisiteError",),
    "write": ("AgentCrashed",),
    "say": ("Warnings",),
    "warn": ("Warnings",),
    "warning": ("Warnings",),
    "add_note": ("Warnings",),
}
"""Errors that are none of our tree, and other calls that tell a person that something is wrong, with the headings
that may tell of it: the text of such an error mostly reaches people inside of one of ours."""
SECOND = {"ValueProblem"}
"""Those whose text is the second argument."""
FEWEST_WORDS = 2
"""A text with fewer words of its own hands on what another says, which stands in the inventory itself."""
DEPTH = 3
"""How many functions and names of the same file are followed to where a text is written."""


@dataclass(frozen=True)
class Message:
    """A text in the source, and the class that it is given to."""

    place: str
    kind: str
    text: str

    @property
    def shown(self) -> str:
        """The text as a page can hold it."""
        return " ".join(self.text.replace(HOLE, "...").split())


def words(text: str) -> list[str]:
    """The words of a text, in their order."""
    return re.findall(r"\w+", text)


@cache
def tree(path: Path) -> ast.Module:
    """A file, parsed once."""
    return ast.parse(path.read_text(encoding="utf-8"))


SOURCES = tuple(path for room in ("obra", "pytest_obra") for path in sorted((ROOT / room).rglob("*.py")))


def name_of(node: ast.expr) -> str:
    """The last word of ``a.b.name``, or nothing."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


@cache
def kinds() -> dict[str, tuple[str, ...]]:
    """Our error classes, each with itself and those it derives from."""
    classes = [node for path in SOURCES for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef)]
    found = {"ObraError": ("ObraError",)}
    while True:
        new = {
            node.name: (node.name, *found[name_of(base)])
            for node in classes
            for base in node.bases
            if node.name not in found and name_of(base) in found
        }
        if not new:
            return found
        found |= new


def said_by(call: ast.Call, kind: str) -> list[ast.expr]:
    """What a call tells a person of something that is wrong."""
    given = {word.arg: word.value for word in call.keywords}
    if kind in ("Prerequisite", "_package"):
        return [given["cure"]] if "cure" in given else []
    if (kind == "say" and "error" not in given) or (kind == "write" and "stderr" not in ast.unparse(call.func)):
        return []
    return call.args if kind == "say" else call.args[kind in SECOND :][:1]


class File:
    """One source file: its texts, and where they are given to an error."""

    def __init__(self, path: Path) -> None:
        self.place = path.relative_to(ROOT).as_posix()
        self.nodes = list(ast.walk(tree(path)))
        self.functions = {node.name: node for node in self.nodes if isinstance(node, ast.FunctionDef)}

    def messages(self) -> Iterator[Message]:
        """Every text that is given to an error."""
        for node in self.nodes:
            if isinstance(node, ast.Call):
                kind = name_of(node.func)
                if kind in kinds() or kind in FOREIGN:
                    yield from self._of(node, kind)
            if isinstance(node, ast.ClassDef) and node.name in kinds():
                for inner in ast.walk(node):
                    if isinstance(inner, ast.Call) and ast.unparse(inner.func) == "super().__init__":
                        yield from self._of(inner, node.name)

    def _of(self, call: ast.Call, kind: str) -> Iterator[Message]:
        for said in said_by(call, kind):
            for text in self.texts(said, 0 if kind == "warning" else DEPTH):
                whole = re.sub(r"%[dgrs]", HOLE, text) if kind == "warning" else text
                if len(words(whole)) >= FEWEST_WORDS:
                    yield Message(f"{self.place}:{call.lineno}", kind, whole)

    def texts(self, node: ast.expr, depth: int) -> list[str]:
        """What an expression can say; a hole for what is not written in this file."""
        if isinstance(node, ast.Constant):
            return [str(node.value)]
        if isinstance(node, ast.JoinedStr):
            return ["".join(text for part in node.values for text in self.texts(part, 0))]
        if isinstance(node, ast.List):
            return [text for one in node.elts for text in self.texts(one, depth)]
        if isinstance(node, ast.IfExp):
            return [*self.texts(node.body, depth), *self.texts(node.orelse, depth)]
        if isinstance(node, ast.BinOp):
            ends = self.texts(node.right, depth)
            return [begin + end for begin in self.texts(node.left, depth) for end in ends]
        return [text for one in (self._behind(node) if depth else ()) for text in self.texts(one, depth - 1)] or [
            HOLE
        ]

    def _behind(self, node: ast.expr) -> list[ast.expr]:
        """Where the value of a name or of a call is written, in this file."""
        if isinstance(node, ast.Call) and name_of(node.func) in self.functions:
            body = ast.walk(self.functions[name_of(node.func)])
            return [one.value for one in body if isinstance(one, ast.Return) and one.value]
        if isinstance(node, ast.Name):
            made = [one for one in self.nodes if isinstance(one, ast.Assign)]
            return [one.value for one in made if any(name_of(target) == node.id for target in one.targets)]
        return []


@cache
def messages() -> tuple[Message, ...]:
    """The inventory; read by the first test that needs it, and not where tests are only collected."""
    return tuple(message for path in SOURCES for message in File(path).messages())


# --- a heading tells of it


def fits(pattern: str, text: str) -> bool:
    """Tell whether a pattern of the page stands in a message."""
    parts = [re.escape(part) for part in re.split(r" ?\.\.\. ?", pattern) if part]
    return bool(re.search(".*?".join(parts), text, re.DOTALL))


def patterns() -> dict[str, list[str]]:
    """What stands in backticks at the begin of each list item, by heading."""
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    found = {}
    for title, body in re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL):
        items = re.findall(r"^- ((?:`[^`]+`(?:,\s+)?)+)", body, re.MULTILINE)
        found[title] = [" ".join(one.split()) for item in items for one in re.findall(r"`([^`]+)`", item)]
    return found


PATTERNS = patterns()


def headings(message: Message) -> tuple[str, ...]:
    """The headings under which a message may be explained: that of its class, or of one that it derives from."""
    return kinds().get(message.kind) or FOREIGN[message.kind]


def test_every_message_has_a_heading_that_tells_of_it():
    """Below the heading of its class, a pattern fits; a text that is handed on is known to be one."""
    missing = [
        f"{one.place} {one.kind}: {one.shown}"
        for one in messages()
        if not any(fits(pattern, one.text) for title in headings(one) for pattern in PATTERNS.get(title, ()))
    ]
    assert not missing, "docs/troubleshooting.md does not tell of:\n" + "\n".join(missing)


@pytest.mark.parametrize("title", PATTERNS)
def test_no_heading_tells_of_what_nobody_says(title):
    """Each pattern has words to look for, and fits something that the source can say."""
    for pattern in PATTERNS[title]:
        assert len(words(pattern)) >= FEWEST_WORDS, pattern
        assert any(fits(pattern, one.text) for one in messages() if title in headings(one)), pattern


# --- a test would see it


def rows_of_words(text: str, lengths: tuple[int, ...] = (2, 3)) -> set[tuple[str, ...]]:
    """All rows of two and of three words between two holes."""
    found = set()
    for part in re.split(r"\0|\.\*\??|\\[dSw]\+?|\.\+", text):
        row = words(part)
        for length in lengths:
            found |= {tuple(row[start : start + length]) for start in range(len(row) - length + 1)}
    return found


def is_expected(node: ast.AST) -> bool:
    """Tell whether a part of a test says what has to come: an assertion, ``match=``, or a table of cases."""
    if isinstance(node, ast.Assign):
        return name_of(node.targets[0]) == "CASES"
    if isinstance(node, ast.Call):
        return name_of(node.func) == "parametrize"
    return isinstance(node, ast.Assert) or (isinstance(node, ast.keyword) and node.arg == "match")


@cache
def words_of_tests() -> tuple[set[tuple[str, ...]], set[tuple[str, ...]]]:
    """The rows of three words in all texts of the tests but docstrings; and those of two in what they expect."""
    anywhere: set[tuple[str, ...]] = set()
    expected: set[tuple[str, ...]] = set()
    for path in set((ROOT / "tests").rglob("*.py")) - {Path(__file__)}:
        file = File(path)
        for node in file.nodes:
            if isinstance(node, ast.Expr):  # a docstring, or a call, whose texts come by themselves
                node.value = ast.Constant(0) if isinstance(node.value, ast.Constant) else node.value
            if is_expected(node):
                for inner in ast.walk(node):
                    if isinstance(inner, ast.Constant | ast.JoinedStr):
                        expected |= rows_of_words(file.texts(inner, 0)[0])
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Constant | ast.JoinedStr):
                anywhere |= rows_of_words(file.texts(node, 0)[0], (3,))
    return anywhere, expected


def test_every_message_is_seen_by_a_test():
    """A row of words that no other message has stands in a test: three words, or two in what it expects."""
    owners = Counter(row for text in {one.text for one in messages()} for row in rows_of_words(text))
    anywhere, expected = words_of_tests()
    missing = []
    for one in messages():
        rows = rows_of_words(one.text)
        own = {row for row in rows if owners[row] == 1} or rows
        if not own & (anywhere | expected):
            missing.append(f"{one.place} {one.kind}: {one.shown}")
    assert not missing, f"no test knows {len(missing)} of {len(messages())}:\n" + "\n".join(missing)
