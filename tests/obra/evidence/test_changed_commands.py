from __future__ import annotations

from pathlib import Path

import pytest

from obra.evidence.changed_commands import NAME, look
from obra.evidence.scene import Scene

MAKEFILE = (
    "CASES = all\n\ntest: build\n\tpython -m pytest -q\n\nbuild:\n\tpython build.py\n\nclean:\n\trm -rf out\n"
)
PACKAGE = '{"name": "a", "scripts": {"test": "node test.js", "lint": "eslint ."}}'


def looked(work, root: Path, change: tuple[str, str, str | None], run: str, task: str = "Do it."):
    """Look at one changed file beside one written command."""
    path, before, after = change
    if after is not None:
        (root / path).write_text(after)
    made = work({path: before} if path[-3:] != ".py" else {}, {path: after}, task=task, checks=[{"command": run}])
    if path.endswith(".py"):
        made = work(
            {path: "x = 1"}, {path: None if after is None else "x = 2"}, task=task, checks=[{"command": run}]
        )
    return list(look(made, Scene(root=root, before=lambda _path: before.encode())))


@pytest.mark.parametrize(
    ("change", "run"),
    [
        (("run_tests.sh", "pytest\n", "exit 0\n"), "sh ./run_tests.sh"),
        (("ci/all.bash", "pytest\n", "exit 0\n"), "bash ci/all.bash --quick"),
        (("check_output.py", "", ""), "python check_output.py"),
        (("verify", "x", "y"), "./verify"),
        (("Makefile", MAKEFILE, MAKEFILE.replace("python -m pytest -q", "true")), "make test"),
        (("Makefile", MAKEFILE, MAKEFILE.replace("python -m pytest -q", "true")), "make"),
        (("Makefile", MAKEFILE, MAKEFILE.replace("python build.py", "true")), "make -s test"),
        (("Makefile", MAKEFILE, None), "make test"),
        (("package.json", PACKAGE, PACKAGE.replace("node test.js", "true")), "npm test"),
        (("package.json", PACKAGE, PACKAGE.replace("eslint .", "true")), "yarn run lint && npm t"),
        (("expected.txt", "5\n", "-1\n"), "python report.py | diff - expected.txt"),
        (("tests/golden/a.json", "5\n", "-1\n"), "cmp out.json ./tests/golden/a.json"),
    ],
)
def test_a_script_of_a_check_is_not_changed(work, root, change, run) -> None:
    """Whoever rewrites what the check runs has rewritten the check."""
    (root / change[0]).parent.mkdir(parents=True, exist_ok=True)
    (found,) = looked(work, root, change, run)
    assert (found.name, found.required) == (NAME, True)
    assert change[0] in found.message


@pytest.mark.parametrize(
    ("change", "run", "task"),
    [
        (("run_tests.sh", "pytest\n", "exit 0\n"), "sh run_tests.sh", "Let run_tests.sh be quick."),
        (("report.py", "", ""), "python report.py", "Fix the sum."),
        (("install.sh", "a", "b"), "python report.py", "Fix the sum."),
        (("settings.ini", "port=1", "port=2"), "grep -q port=2 settings.ini", "Let it listen at 2."),
        (("expected.txt", "5\n", "6\n"), "python report.py | diff - expected.txt", "Update what is expected."),
        (("Makefile", MAKEFILE, MAKEFILE + "\nlint:\n\truff .\n"), "make test", "Lint."),
        (("Makefile", MAKEFILE, MAKEFILE.replace("rm -rf out", "rm -rf out dist")), "make test", "Clean all."),
        (("package.json", PACKAGE, PACKAGE.replace("eslint .", "eslint src")), "npm test", "Lint."),
        (("package.json", "no json", PACKAGE), "npm test", "Lint."),
    ],
)
def test_other_changes_are_left_alone(work, root, change, run, task) -> None:
    """The product, what no check runs, what the task names."""
    assert not looked(work, root, change, run, task)


def test_a_new_script_is_left_alone(work, root) -> None:
    """Nothing stood there that could have said no."""
    made = work({}, {"run_tests.sh": "pytest"}, checks=[{"command": "sh run_tests.sh"}])
    assert not list(look(made, Scene(root=root)))


@pytest.mark.parametrize(("path", "is_bad"), [("lib.sh", True), ("data/cases.csv", True), ("report.txt", False)])
def test_what_a_script_of_a_check_names_belongs_to_it(work, root, path, is_bad) -> None:
    """A file that such a script sources or compares with; what it may only write is none."""
    script = ". ./lib.sh\ncompare data/cases.csv > report.txt\n"
    stood = {"check.sh": script, path: "a\n"}
    (root / "check.sh").write_text(script)
    made = work({path: "a\n"}, {path: "b\n"}, task="Fix the sum.", checks=[{"command": "sh check.sh"}])
    scene = Scene(root=root, before=lambda name: stood[name].encode() if name in stood else None)
    assert [found.required for found in look(made, scene)] == [True] * is_bad


@pytest.mark.parametrize(
    ("new", "stood", "is_bad"),
    [("GNUmakefile", "Makefile", True), ("makefile", "Makefile", True), ("Makefile", "GNUmakefile", False)],
)
def test_a_makefile_in_front_of_the_one_that_stood(work, root, new, stood, is_bad) -> None:
    """GNU make takes the first of three names, and the one that is checked by is another one then."""
    made = work({}, {new: "test:\n\ttrue\n"}, task="Fix the sum.", checks=[{"command": "make test"}])
    found = list(look(made, Scene(root=root, before=lambda name: b"test:\n" if name == stood else None)))
    assert [f"{new} takes the place of {stood}" in one.message for one in found] == [True] * is_bad
