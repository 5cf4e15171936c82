from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from ever_longer import with_time

from obra.domain import CheckResult
from obra.errors import CheckError
from obra.evidence.collector import parse_check
from obra.evidence.running import exit_words

Check = Callable[..., CheckResult]


def fingerprint(root: Path) -> str:
    """Return a hash over names, kinds, modes, times and contents of everything below *root*."""
    total = hashlib.sha256()
    for path in sorted([root, *root.rglob("*")]):
        status = path.lstat()
        total.update(f"{path}\0{status.st_mode}\0{status.st_mtime_ns}\0".encode())
        if path.is_symlink():
            total.update(os.fsencode(path.readlink()))
        elif path.is_file():
            total.update(path.read_bytes())
    return total.hexdigest()


def test_a_command_that_ends_well(root: Path, check: Check) -> None:
    """It runs in the copy with the Python that runs Obra, and its output is kept."""
    (root / "hello.py").write_text("print('Hello, world')")
    result = check({"command": "python hello.py"})
    assert (result.passed, result.message) == (True, "exit code 0; last line: Hello, world")
    assert result.output == "Hello, world\n"
    assert result.name == "the command `python hello.py` ends with exit code 0"


def test_a_command_that_does_not(check: Check) -> None:
    """Expected and seen stand in the message."""
    result = check({"command": "echo one; echo two >&2; exit 3"})
    assert (result.passed, result.message) == (False, "expected exit code 0, got 3; last line: two")
    assert check({"command": {"run": "exit 3", "exit": 3}}).message == "exit code 3; no output"
    assert check({"command": "no-such-program-here"}).message.startswith("expected exit code 0, got 127; ")
    assert check({"command": "kill -9 $$"}).message == "expected exit code 0, got -9 (SIGKILL); no output"


def test_output_and_regex(check: Check) -> None:
    """Both wishes must hold, also at the right exit code."""
    raw = {"run": "echo Hello; echo 42", "output": "Hello", "regex": r"^\d+$"}
    assert check({"command": raw}).passed
    assert check({"command": {**raw, "output": "hello"}}).message == (
        "expected 'hello' in the output, not found; last line: 42"
    )
    assert check({"command": {**raw, "regex": "^x"}}).message == (
        "expected a match of '^x' in the output, none found; last line: 42"
    )
    assert parse_check({"command": raw}).describe() == (
        "the command `echo Hello; echo 42` ends with exit code 0 and prints 'Hello' "
        "and prints a match of the pattern '^\\\\d+$'"
    )


def test_an_endless_regex_over_the_output(check: Check) -> None:
    """It is ended, and the check fails."""
    line = "a" * 60 + "!"

    def search(limit: float) -> None:
        result = check({"command": {"run": f"echo '{line}'", "regex": "(a|a)+$"}, "timeout": limit})
        assert not result.passed
        assert "the search for '(a|a)+$' did not end within 1 s" in result.message

    with_time(search, 0.5, 5, 30)


def test_a_command_of_two_lines_is_one_sentence() -> None:
    """Its acceptance line has no line break."""
    assert parse_check({"command": "cat a\ncat b"}).describe() == (
        "the command `'cat a\\ncat b'` ends with exit code 0"
    )


@pytest.mark.parametrize(
    "wrong", ["", "  ", "a\0b", {"run": "true", "exit": 256}, {"run": "true", "exit": True}, {"exit": 0}, ["a"]]
)
def test_bad_forms_are_refused(wrong: object) -> None:
    """Empty, with a null byte, an exit code that cannot be, no command, a list."""
    with pytest.raises(CheckError, match="^check 'command': "):
        parse_check({"command": wrong})


def test_the_workspace_is_not_changed(root: Path, check: Check) -> None:
    """Whatever a command writes, deletes or links by relative path, the original stays the same."""
    (root / "a.txt").write_text("original")
    (root / "sub").mkdir()
    (root / "sub" / "b").write_text("b")
    (root / "back").symlink_to(root / "sub")
    before = fingerprint(root)
    script = (
        "echo changed > a.txt; echo x > new; rm -r sub/b; mkdir -p sub/c; echo y > back/z; ln -s a.txt l; "
        "chmod 400 a.txt; mkdir ro; touch ro/f; chmod 500 ro; echo h > ~/home; touch ../beside"
    )
    assert check({"command": script}).passed
    assert fingerprint(root) == before
    assert not (root.parent / "beside").exists()


def test_one_command_cannot_poison_the_next(check: Check) -> None:
    """Each has a fresh copy, a fresh home and fresh temporary files."""
    assert check({"command": "touch x ~/y $TMPDIR/z"}).passed
    assert check({"command": "test ! -e x -a ! -e ~/y -a ! -e $TMPDIR/z"}).passed


def test_the_environment_is_clean(check: Check, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of ours arrives; git finds no repository above the copy."""
    monkeypatch.setenv("OBRA_TEST_KEY", "secret")
    output = check(
        {"command": {"run": "env; pwd; git rev-parse --show-toplevel || echo none", "output": "none"}}
    ).output
    assert "secret" not in output
    assert str(root) not in output
    assert output.endswith("none\n")


def test_fifty_megabytes_of_output(check: Check) -> None:
    """All of it is read, head and tail are kept, the limit holds; both ends can be wished for."""
    command = "echo first; head -c 50000000 /dev/zero | tr '\\0' x; echo; echo last"
    result = check({"command": {"run": command, "output": "first"}}, max_output=1000)
    assert result.passed
    assert len(result.output) <= 1000
    assert result.output.startswith("first\n")
    assert result.output.endswith("\nlast\n")


@pytest.mark.parametrize(
    "command",
    ["echo started; sleep 600", "trap '' INT TERM HUP; echo started; while :; do sleep 600; done"],
    ids=["hangs", "ignores signals"],
)
def test_the_time_limit_holds(check: Check, command: str) -> None:
    """A command that hangs, or will not listen, is ended long before its ten minutes; that is a failed check."""
    for seconds in (0.3, 3.0, 30.0):  # a busy machine may need more for the first word
        result = check({"command": command, "timeout": seconds})
        if result.output:
            break
    assert (result.passed, result.message) == (
        False,
        f"expected exit code 0 within {seconds:g} s, it was still running; last line: started",
    )


def test_an_orphan_does_not_outlive_the_check(root: Path, check: Check) -> None:
    """A process that left its session is swept, the check is not held up by it."""
    proof = root.parent / "pid"
    result = check({"command": {"run": f"setsid sleep 600 & echo $! > '{proof}'; echo gone", "output": "gone"}})
    assert result.passed
    with pytest.raises(ProcessLookupError):
        os.kill(int(proof.read_text()), 0)


def test_exit_words() -> None:
    """Signals have names where they have one."""
    assert [exit_words(code) for code in (0, None, -15, -63)] == ["0", "None", "-15 (SIGTERM)", "-63"]


@pytest.mark.parametrize(
    "line",
    ["true", ":", " /bin/true ", "exit 0", "# later", "python -m pytest || true", "make test; true", "x || :",
     "a\ntrue", "pytest || exit 0", "ruff check . ; exit 0;", "pytest -q | tail -1", "make test 2>&1 | tee log",
     "pytest; echo done", "pytest || echo 'it failed; sorry'", "pytest -q; echo $?", "python server.py &",
     "cd sub && pytest | head -5"],
)  # fmt: skip
def test_a_command_that_cannot_fail_is_refused(line: str) -> None:
    """It ends well whatever the workspace holds; with words that it must print it can fail, and is kept."""
    with pytest.raises(CheckError, match="whatever the workspace holds, so the check could never fail"):
        parse_check({"command": line})
    assert parse_check({"command": {"run": line, "output": "2 passed"}})
    assert parse_check({"command": {"run": line, "exit": 1}})


@pytest.mark.parametrize(
    "line",
    ["test -f a && true", "set -e; ls a; true", "if ls a; then exit 1; fi; true", "grep -q a b", "ls # true",
     "echo 'x; true'", "[ -f a ] || exit 1; true", "pytest -q | grep -q '3 passed'", "set -o pipefail; a | tail",
     "python a.py && echo ok", "python a.py & wait $!", "set -e; a; echo done", "a > log 2>&1",
     "python -c 'x = 1 | 2'",
     "printf 'q' | python a.py", "a || (echo no; exit 1)", "cat <<END | python a.py\nx | tail\nEND"],
)  # fmt: skip
def test_a_command_that_may_fail_is_kept(line: str) -> None:
    """Only what is plainly hidden is refused."""
    assert parse_check({"command": line})


@pytest.mark.parametrize(
    ("line", "code"),
    [("python cli.py --bad", 2), ("python -m no_such_module_here", 1), ("python broken.py", 1)],
)
def test_a_program_that_never_ran_did_not_refuse(root: Path, check: Check, line: str, code: int) -> None:
    """Python itself ends with 1 or 2 where there is nothing to run; that is not the refusal that was asked for."""
    (root / "broken.py").write_text("def f(:\n")
    result = check({"command": {"run": line, "exit": code}})
    assert not result.passed
    assert "it never ran" in result.message


def test_a_program_that_refuses_is_as_expected(root: Path, check: Check) -> None:
    """It ran, and ended with the code that was asked for."""
    (root / "cli.py").write_text("import sys\nprint('usage: cli', file=sys.stderr)\nsys.exit(2)\n")
    assert check({"command": {"run": "python cli.py --bad", "exit": 2}}).passed
    assert check({"command": {"run": "python no.py", "exit": 2, "output": "can't open file"}}).passed
