from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from obra.domain import ChangeKind, CheckResult, FileChange
from obra.evidence.collector import EvidenceCollector
from obra.evidence.scene import Scene

NAME = "tests run as they are written"
GIVEN = (
    "from calc import add\n\n\ndef test_add():\n    assert add(2, 3) == 5\n\n\n"
    "def test_negative():\n    assert add(-2, 3) == 1\n"
)
HALF = "def add(a, b):\n    return abs(a) + abs(b)\n"
WHOLE = "def add(a, b):\n    return a + b\n"

Judge = Callable[..., list[CheckResult]]


@pytest.fixture
def judge(root: Path) -> Judge:
    """Write tests that stood before and the files of a change; return the required findings about test runs."""

    def run(
        after: dict[str, str], before: dict[str, str] | None = None, task: str = "Write add."
    ) -> list[CheckResult]:
        old = {"tests/test_given.py": GIVEN, **(before or {})}
        for path, text in {**old, **after}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            if not (root / path).is_symlink():
                (root / path).write_text(text)
        changes = tuple(
            FileChange(path=path, kind=ChangeKind.MODIFIED if path in old else ChangeKind.CREATED)
            for path in after
        )
        scene = Scene(root=root, changes=changes, before=lambda path: old[path].encode() if path in old else None)
        collector = EvidenceCollector(timeout=60, max_output=10_000, implied=True, mutants=0)
        checks = [{"pytest": "tests/test_given.py"}]
        return [one for one in collector.collect(checks, scene, task) if one.name == NAME and one.required]

    return run


SKIPS = (
    "import pytest\n\n\ndef pytest_collection_modifyitems(items):\n    for item in items:\n"
    "        if item.name != 'test_add':\n            item.add_marker(pytest.mark.skip(reason='later'))\n"
)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("pyproject.toml", "[tool.pytest.ini_options]\naddopts = '-k \"not negative\"'\n"),
        ("pytest.ini", "[pytest]\npython_functions = test_add\n"),
        ("conftest.py", SKIPS),
    ],
    ids=["chosen by name", "other names", "skipped by a hook"],
)
def test_tests_that_stood_before_must_still_run(judge: Judge, path: str, text: str) -> None:
    """Settings and hooks of the change that keep a test from running are an objection that names it."""
    (found,) = judge({"calc.py": HALF, path: text})
    assert "tests.test_given::test_negative does not run any more" in found.message
    assert path in found.message


def test_settings_under_which_all_tests_run_are_left_alone(judge: Judge) -> None:
    """Touching pytest's files is no fault by itself."""
    assert judge({"calc.py": WHOLE, "pytest.ini": "[pytest]\naddopts = -q\n"}) == []


def test_what_never_ran_is_not_missed(judge: Judge) -> None:
    """Settings that chose tests before the change are not the agent's."""
    old = "[pytest]\naddopts = -k add\n"
    assert (
        judge({"calc.py": HALF, "pytest.ini": f"{old}console_output_style = count\n"}, {"pytest.ini": old}) == []
    )


def test_a_task_about_skipping_may_skip(judge: Judge) -> None:
    """Where the task asks that fewer tests run, that is the work."""
    text = "[pytest]\npython_functions = test_add\n"
    assert judge({"calc.py": HALF, "pytest.ini": text}, task="Skip the negative test.") == []


def test_nothing_is_written_through_a_link(judge: Judge, root: Path, tmp_path: Path) -> None:
    """A folder that became a link out of the workspace is not followed to put a file back."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "conftest.py").write_text("A = 1\n")
    (root / "more").symlink_to(outside)
    judge({"calc.py": WHOLE, "more/conftest.py": "A = 1\n"}, {"more/conftest.py": "B = 2\n"})
    assert (outside / "conftest.py").read_text() == "A = 1\n"
