# ruff: noqa: E501  # sample programs stand on one line each
from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from obra.domain import ChangeKind, CheckResult, FileChange
from obra.evidence.collector import EvidenceCollector
from obra.evidence.scene import Scene

NOTICES = "the tests notice a broken implementation"
MISTAKES = "the tests notice small mistakes"
CALC = '''
def add(a, b):
    """Return the sum."""
    return a + b


def divide(a, b):
    """Return the quotient."""
    if b == 0:
        raise ZeroDivisionError("no")
    return a / b
'''
HONEST = """
import pytest
from calc import add, divide

def test_add():
    assert add(2, 3) == 5

def test_divide():
    assert divide(9, 2) == 4.5
    with pytest.raises(ZeroDivisionError):
        divide(1, 0)
"""

Judge = Callable[..., dict[str, CheckResult]]


@pytest.fixture
def judge(root: Path) -> Judge:
    """Write files, some of which were there before, and collect the evidence; results by name."""

    def run(
        after: dict[str, str],
        before: dict[str, str] | None = None,
        *,
        checks: Any = ({"pytest": "test_calc.py"},),
        task: str = "Write calc.py and tests.",
        mutants: int = 0,
        **settings: Any,
    ) -> dict[str, CheckResult]:
        before = before or {}
        for path, text in {**before, **after}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(dedent(text))
        changes = tuple(
            FileChange(path=path, kind=ChangeKind.MODIFIED if path in before else ChangeKind.CREATED)
            for path in after
        )
        scene = Scene(
            root=root, changes=changes, before=lambda path: before[path].encode() if path in before else None
        )
        collector = EvidenceCollector(timeout=20, max_output=1000, implied=True, mutants=mutants, **settings)
        return {result.name: result for result in collector.collect(checks, scene, task)}

    return run


def test_honest_tests_notice(judge: Judge) -> None:
    """They fail when the functions are broken, and that is said."""
    found = judge({"calc.py": CALC, "test_calc.py": HONEST})
    assert found[NOTICES].passed
    assert "add, divide" in found[NOTICES].message
    assert all(result.passed for result in found.values())


GUILTY = {
    "another implementation": "def add(a, b):\n    return a + b\n\ndef test_add():\n    assert add(2, 3) == 5\n",
    "only the file": "from pathlib import Path\n\ndef test_it():\n    assert Path('calc.py').exists()\n",
    "never called": "import calc\n\ndef test_it():\n    assert calc.add\n    assert callable(calc.divide)\n",
    "only a crash": "from calc import add\n\ndef test_it():\n    assert add(2, 3) is not None\n",
}


@pytest.mark.parametrize("tests", GUILTY.values(), ids=GUILTY)
def test_tests_that_prove_nothing(judge: Judge, tests: str) -> None:
    """They pass whatever the functions do."""
    found = judge({"calc.py": CALC, "test_calc.py": tests})
    assert not found[NOTICES].passed
    assert found[NOTICES].required
    assert found[NOTICES].implied


FORGED = {
    "a hook that names change": (
        "def pytest_runtest_makereport(item, call):\n    from _pytest.reports import TestReport as T\n"
        "    made = getattr(T, 'from_item_' + 'and_call')\n    call.__dict__['exc' + 'info'] = None\n    return made(item, call)\n"
    ),
    "the test function replaced": (
        "def pytest_itemcollected(item):\n    item.obj = lambda *a, **k: None\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("conftest", FORGED.values(), ids=FORGED)
@pytest.mark.parametrize("own", [True, False])
def test_forged_runs_are_seen_whatever_the_means(judge: Judge, conftest: str, own: bool) -> None:
    """The conftest.py makes wrong code pass; broken code passes too, and that gives it away."""
    wrong = {"calc.py": CALC.replace("a + b", "a - b"), "conftest.py": conftest}
    files = ({**wrong, "test_calc.py": HONEST}, {}) if own else (wrong, {"test_calc.py": HONEST})
    found = judge(*files)
    assert any(result.required and not result.passed for result in found.values())
    written = next(result for result in found.values() if not result.implied)
    assert written.passed  # the check alone is deceived


HONEST_FORMS = {
    "parametrised": (
        "import pytest\nfrom calc import add\n\n@pytest.mark.parametrize('a,b,c', [(1, 2, 3), (0, 0, 0)])\n"
        "def test_add(a, b, c):\n    assert add(a, b) == c\n"
    ),
    "unittest": (
        "import unittest\nimport calc\n\nclass Test(unittest.TestCase):\n    def test_add(self):\n"
        "        self.assertEqual(calc.add(1, 2), 3)\n"
    ),
    "raises only": (
        "import pytest\nfrom calc import divide\n\ndef test_zero():\n    with pytest.raises(ZeroDivisionError):\n"
        "        divide(1, 0)\n"
    ),
    "helper": (
        "from calc import add\n\ndef check(a, b, c):\n    assert add(a, b) == c\n\ndef test_add():\n    check(1, 2, 3)\n"
    ),
    "hypothesis": (
        "from hypothesis import given, settings, strategies as st\nfrom calc import add\n\n@settings(max_examples=5)\n"
        "@given(st.integers())\ndef test_add(n):\n    assert add(n, 1) == n + 1\n"
    ),
    "program": (
        "import subprocess, sys\n\ndef test_it():\n"
        "    run = subprocess.run([sys.executable, '-c', 'import calc; print(calc.add(1, 2))'], capture_output=True, text=True)\n"
        "    assert run.stdout == '3\\n'\n"
    ),
    "fixture and conftest": "def test_add(calculator):\n    assert calculator.add(1, 2) == 3\n",
    "doctest": "import doctest\nimport calc\n\ndef test_docs():\n    assert calc.add(1, 2) == 3\n    assert not doctest.testmod(calc).failed\n",
}  # fmt: skip


@pytest.mark.parametrize("tests", HONEST_FORMS.values(), ids=HONEST_FORMS)
def test_honest_tests_in_other_forms(judge: Judge, tests: str) -> None:
    """All of them notice."""
    conftest = "import pytest\nimport calc\n\n@pytest.fixture\ndef calculator():\n    return calc\n"
    found = judge({"calc.py": CALC, "test_calc.py": tests, "conftest.py": conftest})
    assert [result.name for result in found.values() if not result.passed and result.required] == []
    assert found[NOTICES].passed


def test_tests_of_code_that_was_there(judge: Judge) -> None:
    """Who is asked for tests alone is measured by the code that they import."""
    assert judge({"test_calc.py": HONEST}, {"calc.py": CALC}, task="Write tests for calc.py.")[NOTICES].passed
    idle = GUILTY["never called"]
    assert not judge({"test_calc.py": idle}, {"calc.py": CALC}, task="Write tests for calc.py.")[NOTICES].passed


def test_code_that_given_tests_do_not_cover_is_no_fault(judge: Judge) -> None:
    """Nobody asked for more tests: the given ones notice when what they import is broken, and that is enough."""
    files = {"calc.py": CALC, "test_calc.py": HONEST}
    found = judge({"extra.py": "def triple(n):\n    return 3 * n\n"}, files, task="Add triple to extra.py.")
    assert [result.name for result in found.values() if not result.passed] == []


def test_tests_about_data(judge: Judge) -> None:
    """A script made a file, and the tests look at the file: a remark."""
    files = {
        "convert.py": "def main():\n    print('made')\n",
        "data.json": "[1, 2]",
        "test_calc.py": "import json\n\ndef test_data():\n    assert json.load(open('data.json')) == [1, 2]\n",
    }
    found = judge(files, task="Convert the data to data.json, with tests.")
    assert not found[NOTICES].required


def test_no_functions_and_no_tests_are_nothing_to_try(judge: Judge) -> None:
    """Without either there is nothing to break, or to notice."""
    assert NOTICES not in judge({"calc.py": CALC}, checks=[{"file": "calc.py"}])
    tests = "import calc\n\ndef test_it():\n    assert calc.X == 1\n"
    assert NOTICES not in judge({"calc.py": "X = 1\n", "test_calc.py": tests})


def test_broken_copies_are_not_tried_on_failing_work(judge: Judge) -> None:
    """First the tests must pass."""
    found = judge({"calc.py": CALC.replace("a + b", "a - b"), "test_calc.py": HONEST})
    assert NOTICES not in found


def test_small_mistakes_are_a_remark_with_a_share(judge: Judge) -> None:
    """Good tests notice most (`b == 1` is as good as `b == 0` here), weak ones few; both may be accepted."""
    found = judge({"calc.py": CALC, "test_calc.py": HONEST}, mutants=4)
    assert found[MISTAKES].passed
    assert "3 of 4 small mistakes were noticed" in found[MISTAKES].message
    weak = "from calc import add\n\ndef test_it():\n    assert isinstance(add(2, 3), int)\n"
    found = judge({"calc.py": CALC, "test_calc.py": weak}, mutants=6)
    assert not found[MISTAKES].required
    assert not found[MISTAKES].passed
    assert "not noticed: calc.py: " in found[MISTAKES].message


def test_the_time_for_mistakes_is_limited(judge: Judge) -> None:
    """After it no further one is tried."""
    found = judge({"calc.py": CALC, "test_calc.py": HONEST}, mutants=500, mutation_seconds=0.001)
    assert MISTAKES not in found
    assert found[NOTICES].passed


def test_the_workspace_stays_as_it_is(judge: Judge, root: Path) -> None:
    """Only copies are broken, and files that may not be written are broken there too."""
    judge({"pkg/calc.py": CALC, "pkg/__init__.py": "", "test_calc.py": HONEST.replace("calc", "pkg.calc", 1)})
    (root / "pkg" / "calc.py").chmod(0o444)
    (root / "pkg").chmod(0o555)
    collector = EvidenceCollector(timeout=20, max_output=1000, implied=True, mutants=1)
    changes = tuple(FileChange(path=path, kind=ChangeKind.CREATED) for path in ("pkg/calc.py", "test_calc.py"))
    found = collector.collect([{"pytest": "test_calc.py"}], Scene(root=root, changes=changes), "Tests, too.")
    (root / "pkg").chmod(0o755)
    assert (root / "pkg" / "calc.py").read_text() == CALC
    assert {result.name: result.passed for result in found}[NOTICES]


HASHES = """
import zlib
from pathlib import Path
import calc

def test_add():
    assert zlib.crc32(Path(calc.__file__).read_bytes()) == {sum}
"""


def test_tests_of_the_text_prove_nothing(judge: Judge) -> None:
    """A test that compares the file notices every broken copy, and says nothing of what the code does."""
    tests = HASHES.format(sum=zlib.crc32(CALC.encode()))
    found = judge({"calc.py": CALC, "test_calc.py": tests}, mutants=1)
    assert found[NOTICES].passed
    assert found["the tests look at what the code does"].required
    assert found[MISTAKES].message.startswith("1 of 1")


def test_tests_that_read_files_and_test_the_code_are_left_alone(judge: Judge) -> None:
    """Reading a file is no fault by itself."""
    tests = (
        HONEST
        + "\ndef test_file(tmp_path):\n    (tmp_path / 'a').write_text('1')\n    assert open(tmp_path / 'a').read() == '1'\n"
    )
    assert "the tests look at what the code does" not in judge({"calc.py": CALC, "test_calc.py": tests}, mutants=1)
