from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from obra.domain import CheckResult
from obra.errors import CheckError
from obra.evidence.collector import parse_check

Check = Callable[..., CheckResult]

SOURCE = '''
"""A module."""
import sys

async def later():
    """Wait."""
    return 1

def add(a, b):
    """Add."""
    return a + b

def bare(a):
    return a

def stub():
    """Do it."""
    raise NotImplementedError("soon")

def dots(): ...

def nothing():
    pass
    raise NotImplementedError

def returns_nothing():
    return None

class Calculator:
    """Calculates."""
    def method(self):
        def deep():
            return 1
        return deep

class Bare:
    x = 1

if sys.platform:
    def conditional(): return 1
elif 0:
    def dead(): return 1
else:
    def fallback(): return 1
try:
    def tried(): return 1
except ImportError:
    def tried(): raise NotImplementedError
with open(__file__):
    def within(): return 1
for _ in range(1):
    def looped(): return 1
def twice(): return 1
def twice(): pass
assigned = lambda: 1
'''


@pytest.fixture
def source(root: Path) -> Path:
    """A file with every kind of definition; the import would fail."""
    path = root / "calc.py"
    path.write_text(SOURCE)
    return path


def test_it_parses(source: Path, check: Check) -> None:
    """The short form asks for no more than valid Python."""
    result = check({"python": "calc.py"})
    assert (result.passed, result.message) == (True, "calc.py is valid Python")


def test_names_that_are_defined(source: Path, check: Check) -> None:
    """Functions, async ones, and those below if, try and with of the module."""
    functions = ["later", "add", "returns_nothing", "conditional", "fallback", "tried", "within"]
    result = check({"python": {"file": "calc.py", "functions": functions, "classes": ["Calculator", "Bare"]}})
    assert result.passed
    assert result.message == (
        "calc.py is valid Python and defines the functions later, add, returns_nothing, conditional, fallback, "
        "tried and within and the classes Calculator and Bare at its top level"
    )


@pytest.mark.parametrize("name", ["none", "method", "deep", "dead", "looped", "Calculator", "assigned", "sys"])
def test_functions_that_are_not_defined_at_the_top(source: Path, check: Check, name: str) -> None:
    """Nested, dead, in a loop, not a function, only assigned or imported: none of these counts."""
    result = check({"python": {"file": "calc.py", "functions": ["add", name]}})
    assert not result.passed
    assert result.message == (
        f"expected that calc.py is valid Python and defines the functions add and {name} at its top level; "
        f"the function {name} is not defined at the top level"
    )


@pytest.mark.parametrize("name", ["stub", "dots", "nothing", "twice"])
def test_stubs_do_not_count(source: Path, check: Check, name: str) -> None:
    """A body that does nothing is called what it is; of two definitions the later one is in force."""
    result = check({"python": {"file": "calc.py", "functions": [name]}})
    assert not result.passed
    assert result.message.endswith(f"; the function {name} is a stub")


def test_classes_that_are_missing(source: Path, check: Check) -> None:
    """A function of that name is no class."""
    result = check({"python": {"file": "calc.py", "classes": ["add"]}})
    assert result.message.endswith("; the class add is not defined at the top level")


def test_docstrings(source: Path, check: Check) -> None:
    """Asked of the named ones, or else of all public ones."""
    named = {"file": "calc.py", "functions": ["add"], "classes": ["Calculator"], "docstrings": True}
    assert check({"python": named}).message.endswith("at its top level, each with a docstring")
    result = check({"python": {**named, "classes": ["Bare"]}})
    assert result.message.endswith("; the class Bare has no docstring")
    result = check({"python": {"file": "calc.py", "docstrings": True}})
    assert "all public functions and classes have docstrings; " in result.message
    assert "the function bare has no docstring" in result.message
    assert "add has" not in result.message


def test_docstrings_of_nothing_are_not_enough(root: Path, check: Check) -> None:
    """A file with private names only, or an empty docstring, does not pass for documented."""
    (root / "a.py").write_text("def _a(): return 1\n")
    raw = {"python": {"file": "a.py", "docstrings": True}}
    assert check(raw).message.endswith("; it has no public function or class at all")
    (root / "a.py").write_text("def a():\n    '''  '''\n    return 1\n")
    assert check(raw).message.endswith("; the function a has no docstring")
    (root / "a.py").write_text("def a():\n    'Say.'\n    return 1\n")
    assert check(raw).passed


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"def f(:\n", "invalid syntax in line 1"),
        (b"x = 1\nreturn x\n", "'return' outside function in line 2"),
        ("s = 'gr\u00fcn'".encode("latin-1"), "(unicode error) 'utf-8' codec can't decode byte 0xfc"),
        (b"x = 1\0", "null byte"),
        (b"# coding: klingon\n", "klingon"),
        (b"(" * 5000 + b")" * 5000, "too many nested parentheses"),
        (b"x = " + b"-" * 100_000 + b"1", "is not valid Python: "),
    ],
)
def test_what_is_no_python(root: Path, check: Check, source: bytes, reason: str) -> None:
    """Broken, in another encoding, with null bytes, nested beyond reason: failed, with the reason."""
    (root / "a.py").write_bytes(source)
    result = check({"python": "a.py"})
    assert not result.passed
    assert result.message.startswith("expected valid Python in a.py; a.py is not valid Python: ")
    assert reason in result.message


def test_what_is_python_nevertheless(root: Path, check: Check) -> None:
    """A declared encoding, a byte order mark, a doubtful escape, no content."""
    for source in (
        "# coding: latin-1\ns = 'gr\u00fcn'".encode("latin-1"),
        b"\xef\xbb\xbfx = 1\n",
        b"s = '\\d'\n",
        b"",
    ):
        (root / "a.py").write_bytes(source)
        assert check({"python": "a.py"}).passed, source


def test_it_is_never_run(root: Path, check: Check) -> None:
    """Neither the file nor a package around it is imported."""
    (root / "a.py").write_text("raise SystemExit(1)\n")
    (root / "b.py").write_text(f"open({str(root / 'ran')!r}, 'w')\n")
    assert check({"python": "a.py"}).passed
    assert check({"python": "b.py"}).passed
    assert not (root / "ran").exists()


def test_missing_and_huge_files(root: Path, check: Check) -> None:
    """Neither is parsed."""
    (root / "big.py").write_bytes(b"\n" * (4 * 1024 * 1024 + 1))
    assert check({"python": "no.py"}).message == "expected valid Python in no.py; no.py does not exist"
    assert "big.py is larger than 4 MiB" in check({"python": "big.py"}).message


@pytest.mark.parametrize("name", ["a.b", "1a", "", "a b", 3])
def test_names_that_no_file_can_define(name: object) -> None:
    """A dotted name is refused rather than never found."""
    with pytest.raises(CheckError, match=r"^check 'python': 'python\.functions\.0'"):
        parse_check({"python": {"file": "a.py", "functions": [name]}})
