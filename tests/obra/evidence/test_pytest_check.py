from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from obra.domain import CheckResult
from obra.errors import CheckError
from obra.evidence.collector import parse_check
from obra.evidence.pytest_check import PytestCheck, read_report

Check = Callable[..., CheckResult]
WISH = "expected at least 1 passed test and none failed"


def test_tests_that_pass(root: Path, check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of tests finds the module beside it; options of our own environment do not reach it."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    (root / "calc.py").write_text("def add(a, b): return a + b\n")
    (root / "tests").mkdir()
    (root / "tests" / "test_calc.py").write_text("import calc\ndef test_add(): assert calc.add(1, 2) == 3\n")
    (root / "pytest.py").write_text("raise SystemExit(0)\n")
    (root.parent / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    result = check({"pytest": "tests"})
    assert (result.passed, result.message) == (True, "1 passed"), result.output
    assert result.name == "all tests in tests pass under pytest"
    assert sorted(path.name for path in root.rglob("*")) == ["calc.py", "pytest.py", "test_calc.py", "tests"]


def test_tests_that_do_not(root: Path, check: Check) -> None:
    """The tests that failed are named, also where only the clearing up failed; the output shows why."""
    (root / "test_a.py").write_text(
        "import pytest\n"
        "@pytest.fixture\ndef broken():\n    yield\n    raise OSError\n"
        "def test_good(): pass\n"
        "def test_bad(): assert 1 == 2\n"
        "def test_unclean(broken): pass\n"
        "@pytest.mark.skip\ndef test_skipped(): pass\n"
    )
    result = check({"pytest": "test_a.py"})
    assert (result.passed, result.message) == (
        False,
        WISH
        + ", got 1 passed, 1 failed (test_a::test_bad), 1 error (test_a::test_unclean), 1 skipped; exit code 1",
    )
    assert "assert 1 == 2" in result.output


def test_too_few_tests(root: Path, check: Check) -> None:
    """Skipped ones and expected failures are not counted as passed."""
    (root / "test_a.py").write_text(
        "import pytest\n"
        "def test_good(): pass\n"
        "@pytest.mark.xfail\ndef test_known(): assert 0\n"
        "@pytest.mark.skip\ndef test_skipped(): pass\n"
    )
    result = check({"pytest": {"paths": "test_a.py", "at_least": 2}})
    assert (result.passed, result.message) == (
        False,
        "expected at least 2 passed tests and none failed, got 1 passed, 2 skipped; exit code 0",
    )
    only = check({"pytest": "test_a.py::test_skipped"})
    assert only.message == f"{WISH}, got 0 passed, 1 skipped; exit code 0"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"test_a.py": "x = 1\n"}, f"{WISH}; no test was found; last line: "),
        (
            {"conftest.py": "print('5 passed')\nimport os\nos._exit(0)\n"},
            f"{WISH}; pytest ended with exit code 0 and left no report; no output",
        ),
        (
            {"test_a.py": "import sys\nsys.exit(0)\n"},
            f"{WISH}, got 0 passed, 1 error (pytest::internal); exit code 3",
        ),
        (
            {"test_a.py": "import pytest\ndef test_a(): pass\ndef test_b(): pytest.exit('fine', 0)\n"},
            f"{WISH}, got 2 passed; exit code 2; last line: ",
        ),
        ({"test_a.py": "def test_a(:\n"}, f"{WISH}, got 0 passed, 1 error (test_a); exit code 2"),
        ({"test_a.py": "x = 'gr\udcfcn'\n"}, f"{WISH}, got 0 passed, 1 error (test_a); exit code 2"),
        (
            {"pytest.ini": "[pytest]\naddopts = --nonsense\n"},
            f"{WISH}; pytest ended with exit code 4 and left no report; ERROR: ",
        ),
    ],
    ids=["no tests", "os._exit", "sys.exit", "pytest.exit", "syntax error", "not UTF-8", "bad options"],
)
def test_suites_that_prove_nothing(root: Path, check: Check, files: dict[str, str], message: str) -> None:
    """However a run ends early or empty, also with exit code 0, it is a failure with a reason."""
    for name, text in {"test_a.py": "def test_a(): pass\n", **files}.items():
        (root / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    result = check({"pytest": "test_a.py"})
    assert not result.passed
    assert result.message.startswith(message), result.output


def test_a_suite_that_hangs(root: Path, check: Check) -> None:
    """It is ended, the check fails."""
    (root / "test_a.py").write_text("import time\ndef test_a(): time.sleep(60)\n")
    result = check({"pytest": "test_a.py", "timeout": 0.6})
    assert result.message.startswith(f"{WISH} within 0.6 s, pytest was still running; ")


def test_odd_names_and_options_of_the_project(root: Path, check: Check) -> None:
    """Names are never read as options or files of options; a project may order its tests by the cache."""
    (root / "pytest.ini").write_text("[pytest]\naddopts = --failed-first\n")
    names = ["-p no:x\n'.py", "@test_b.py"]
    for name in names:
        (root / name).write_text("def test_a(): pass\n")
    result = check({"pytest": names})
    assert (result.passed, result.message) == (True, "2 passed"), result.output


def test_missing_paths_need_no_run(root: Path, check: Check) -> None:
    """What is not there, or leads out, is said at once."""
    (root / "out").symlink_to("/etc")
    result = check({"pytest": ["test_a.py::test_x", "out"]})
    assert (result.passed, result.message, result.output) == (
        False,
        f"{WISH}; test_a.py does not exist; out leads out of the workspace through a link",
        "",  # a run would have printed something
    )


def test_what_it_covers_and_says() -> None:
    """A folder covers what is in it, the whole workspace everything, an id its file."""
    check = PytestCheck.model_validate({"pytest": ["tests", "a.py::test_x"]})
    assert check.covers("tests/x/test_a.py")
    assert check.covers("a.py")
    assert not check.covers("tests2/test_a.py")
    every = PytestCheck.model_validate({"pytest": {"paths": ".", "at_least": 3}})
    assert every.covers("anything.py")
    assert every.describe() == "all tests in the workspace pass under pytest, and there are at least 3"


@pytest.mark.parametrize("wrong", ["../test_a.py", "/x::y", [], {"paths": "a", "at_least": 0}, {"at_least": 1}, 3])
def test_bad_forms_are_refused(wrong: object) -> None:
    """Paths that leave the workspace, no paths, a wish for nothing."""
    with pytest.raises(CheckError, match=r"^check 'pytest': "):
        parse_check({"pytest": wrong})


def test_reports_that_are_none(tmp_path: Path) -> None:
    """Missing, a link, broken, with entities, too large: not believed."""
    report = tmp_path / "junit.xml"
    assert read_report(report) is None
    report.write_text("<testsuite><testcase name='a'/>")
    assert read_report(report) is None
    report.write_text("<!DOCTYPE x [<!ENTITY a 'b'>]><testsuite><testcase name='&a;'/></testsuite>")
    assert read_report(report) is None
    report.write_bytes(b" " * (64 * 1024 * 1024 + 1))
    assert read_report(report) is None
    report.write_text("<testsuite><testcase name='a'/></testsuite>")
    assert str(read_report(report)) == "1 passed"
    (tmp_path / "link").symlink_to(report)
    assert read_report(tmp_path / "link") is None


def test_a_long_list_of_failures_is_cut(tmp_path: Path) -> None:
    """Five names are enough for a message."""
    report = tmp_path / "junit.xml"
    cases = "".join(f"<testcase classname='t' name='n{number}'><failure/></testcase>" for number in range(7))
    report.write_text(f"<testsuite>{cases}<testcase name='e'><error/></testcase></testsuite>")
    assert str(read_report(report)) == "0 passed, 7 failed (t::n0, t::n1, t::n2, t::n3, t::n4, ...), 1 error (e)"


def test_what_is_registered_for_the_end_cannot_rewrite_the_report(root: Path, check: Check) -> None:
    """The program ends before code under test has another turn."""
    (root / "calc.py").write_text(
        "import atexit, os, re, sys\n\n"
        "def rewrite():\n"
        "    path = next(one for one in sys.argv if one.startswith('--junit')).partition('=')[2]\n"
        "    with open(path) as stream:\n"
        "        text = re.sub('<failure.*?</failure>', '', stream.read(), flags=re.S)\n"
        "    with open(path, 'w') as stream:\n"
        "        stream.write(text)\n"
        "    sys.stdout.flush()\n"
        "    os._exit(0)\n\n"
        "atexit.register(rewrite)\n"
    )
    (root / "test_calc.py").write_text("import calc\n\ndef test_calc():\n    assert calc.add(1, 2) == 3\n")
    result = check({"pytest": "test_calc.py"})
    assert not result.passed
    assert "1 failed" in result.message
