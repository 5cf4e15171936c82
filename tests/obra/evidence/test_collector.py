from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from obra.domain import ChangeKind, FileChange
from obra.errors import CheckError
from obra.evidence.collector import KINDS, EvidenceCollector, parse_check
from obra.evidence.scene import Scene


def collector(**settings: Any) -> EvidenceCollector:
    """Return one with usual settings."""
    return EvidenceCollector(**{"timeout": 20, "max_output": 1000, "implied": True, **settings})


def created(*paths: str, kind: ChangeKind = ChangeKind.CREATED) -> tuple[FileChange, ...]:
    """Return one change for each path."""
    return tuple(FileChange(path=path, kind=kind) for path in paths)


def test_the_kinds() -> None:
    """Seven, each under its own key."""
    assert list(KINDS) == ["file", "absent", "contains", "command", "pytest", "python", "unchanged"]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"fil": "a"}, "'fil' is none of them; did you mean 'file'?"),
        ({"xyz": "a"}, "'xyz' is none of them"),
        ({"name": "a"}, "it has none"),
        ({}, "it has none"),
        ({1: 2}, "'1' is none of them"),
        ({"file": "a", "absent": "b"}, "one check has the kinds file and absent; write one check for each"),
        ("file: a", "it is 'file: a'; write it as 'kind: value'"),
        ({"file": "a", "requird": True}, "check 'file': unknown key 'requird'; did you mean 'required'?"),
        ({"file": "../a"}, "check 'file': 'file.0': '..' can leave the workspace"),
        ({"file": ["a", "/b"]}, "check 'file': 'file.1': an absolute path leaves the workspace"),
        ({"file": []}, "check 'file': 'file': "),
        ({"file": 3}, "check 'file': 'file': "),
        ({"absent": ".."}, "check 'absent': 'absent.0': '..'"),
        ({"unchanged": "a/../b"}, "check 'unchanged': 'unchanged.0': '..'"),
        ({"python": "/a.py"}, "check 'python': 'python.file': an absolute path"),
        (
            {"python": {"file": "a", "function": []}},
            "unknown key 'python.function'; did you mean 'python.functions'?",
        ),
        ({"contains": {"file": "a"}}, "check 'contains': 'contains': exactly one of 'text' and 'regex' is needed"),
        ({"contains": "a"}, "check 'contains': 'contains': "),
        ({"command": {"runn": "a"}}, "unknown key 'command.runn'; did you mean 'command.run'?"),
    ],
)
def test_mistakes_name_the_kind_and_the_right_word(raw: Any, message: str) -> None:
    """Every error is one line that helps."""
    with pytest.raises(CheckError) as caught:
        parse_check(raw)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_checks_run_in_their_order(root: Path) -> None:
    """One that fails does not keep the next from running; the collector's settings are in force."""
    checks = [
        {"file": "no"},
        {"command": {"run": "head -c 5000 /dev/zero | tr '\\0' x", "output": "x"}},
        {"absent": "no"},
    ]
    results = collector().collect(checks, Scene(root=root, max_output=9, timeout=0.001))
    assert [(result.kind, result.passed) for result in results] == [
        ("file", False),
        ("command", True),
        ("absent", True),
    ]
    assert len(results[1].output) == 1000


def test_nothing_written_and_nothing_changed_is_no_evidence(root: Path) -> None:
    """Without Python changed there is no implied check."""
    (root / "a.txt").touch()
    assert collector().collect([], Scene(root=root, changes=created("a.txt", "b.log"))) == ()


def test_changed_python_must_parse(root: Path) -> None:
    """All changed files are one check, required, implied; deleted and foreign ones do not count."""
    (root / "good.py").write_text("x = 1\n")
    (root / "moved.py").write_text("x = 1\n")
    (root / ".venv/lib").mkdir(parents=True)
    (root / ".venv/pyvenv.cfg").touch()
    changes = (
        *created("good.py", ".venv/lib/bad.py", "node_modules/x/bad.py"),
        *created("moved.py", kind=ChangeKind.RENAMED),
        *created("gone.py", kind=ChangeKind.DELETED),
        *created("mode.py", kind=ChangeKind.MODE_CHANGED),
    )
    result, *_ = collector().collect([], Scene(root=root, changes=changes))
    assert (result.name, result.passed, result.required, result.implied) == ("python syntax", True, True, True)
    assert (result.kind, result.message) == ("python", "2 changed Python files: valid")
    (root / "good.py").write_text("x = \n")
    (result,) = collector().collect([], Scene(root=root, changes=created("good.py")))
    assert (result.passed, result.message) == (
        False,
        "expected valid Python in 1 changed Python file; good.py is not valid Python: invalid syntax in line 1",
    )
    assert collector(implied=False).collect([], Scene(root=root, changes=changes)) == ()


def test_changed_tests_are_run_unless_a_written_check_runs_them(root: Path) -> None:
    """Files called as pytest calls them, in one run."""
    (root / "tests").mkdir()
    for name in ("test_a.py", "b_test.py", "tests/test_c.py", "testing.py"):
        (root / name).write_text("def test_it(): pass\n")
    scene = Scene(root=root, changes=created("test_a.py", "b_test.py", "tests/test_c.py", "testing.py"))
    written, syntax, tests, *_ = collector().collect([{"pytest": "tests"}], scene)
    assert (written.implied, syntax.implied, tests.implied, tests.required) == (False, True, True, True)
    assert (tests.kind, tests.message) == ("pytest", "2 passed")
    assert tests.name == "all tests in test_a.py and b_test.py pass under pytest"


def test_tests_that_are_covered_are_not_run_twice(root: Path) -> None:
    """The written check stands for them, also when it fails."""
    scene = Scene(root=root, changes=created("test_gone.py"))
    results = collector().collect([{"pytest": "."}], scene)
    assert [result.name for result in results] == ["all tests in the workspace pass under pytest", "python syntax"]


def test_a_check_that_breaks_is_an_error_and_not_a_verdict(tmp_path: Path) -> None:
    """Written or implied: a workspace that is not there says nothing about the work."""
    gone = Scene(root=tmp_path / "gone", changes=created("a.py"))
    for checks in ([{"file": "a"}], [{"command": "ls"}], []):
        with pytest.raises(CheckError, match=r"could not be carried out in .*gone: .*says nothing about the work"):
            collector().collect(checks, gone)


def test_findings_that_break_are_an_error_and_not_a_verdict(root: Path) -> None:
    """A written check passed, and took the workspace away: nobody can look for what nobody wrote."""
    scene = Scene(root=root, changes=created("pytest.ini"))
    with pytest.raises(CheckError) as caught:
        collector().collect([{"command": f"mv {root} {root}.away"}], scene)
    assert str(caught.value) == (
        f"the check 'findings that nobody wrote' could not be carried out in {root}: NotADirectoryError: the "
        f"workspace {root} cannot be read: No such file or directory; this says nothing about the work: see that "
        f"the workspace can be read and copied, then run it again"
    )


def test_a_command_that_cannot_be_started_is_an_error(root: Path) -> None:
    """A line too long for the system is the scenario's fault, not the agent's."""
    with pytest.raises(CheckError, match="could not be carried out"):
        collector().collect([{"command": "x" * 200_000}], Scene(root=root))


def test_sentences_for_the_agent() -> None:
    """One for each check, in order; those that are not required say so."""
    checks = [{"file": "a.py"}, {"absent": "b", "required": False}, {"unchanged": ["c", "d"]}]
    assert collector().describe(checks) == (
        "the file a.py exists",
        "nothing exists at b (optional)",
        "c and d are left unchanged",
    )
    with pytest.raises(CheckError):
        collector().describe([{"fil": "a"}])


def test_importing_the_room_is_cheap() -> None:
    """No heavy library, and nothing that runs programs or parses reports, comes with it."""
    program = "import sys, obra.evidence.collector; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert loaded.isdisjoint({"sqlalchemy", "pygit2", "httpx", "psutil", "pytest", "obra.workspace.processes"})
