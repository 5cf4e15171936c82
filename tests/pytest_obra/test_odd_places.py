"""Odd ways to start pytest: without its own plugins, without a terminal, in a locale that knows ASCII only."""

import json
import os
import subprocess
import sys

import pytest

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}

UNASKED = "-p no:allure_pytest -p no:anyio -p no:hypothesispytest"
"""Plugins that take as long to load as all the rest, and that no test asks for here."""


@pytest.fixture
def shell(pytester):
    """Run a line of shell with ``$PYTEST`` in the small project, its environment as given."""

    def shell(line, *, without=(), **variables):
        environment = {name: text for name, text in os.environ.items() if name not in without} | variables
        environment["PYTEST"] = f"{sys.executable} -m pytest -p no:cacheprovider {UNASKED}"
        return subprocess.run(
            ["sh", "-c", line],
            cwd=pytester.path,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            errors="backslashreplace",
            timeout=100,
            check=False,
        )

    return shell


def results(pytester):
    """Return the result of every row that was written, of all runs."""
    files = pytester.path.glob("reports/*/results.jsonl")
    return [json.loads(line)["result"] for path in files for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    "options", ["-p no:terminal", "-p no:terminal --obra-live=lines", "-p no:terminal -n 1", "-p no:capture"]
)
def test_pytest_may_lack_its_own_plugins(scenario_file, pytester, shell, options):
    """Without terminal or capture the same is judged and written; there only is nobody to show it to."""
    scenario_file("good")
    done = shell(f"$PYTEST {options}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert results(pytester) == ["passed"]


@pytest.mark.parametrize("options", ["-v --obra-live=plain", "--co -q"])
def test_names_that_the_locale_cannot_read(scenario_file, pytester, shell, options):
    """A file with an umlaut in its name, and a title no terminal should obey, pass in a locale that is ASCII."""
    title = "Grüße \x1b[31m\u202e<b>|`"
    scenario_file("wei\u00df & <b> [x]", task={"title": title})
    done = shell(f"$PYTEST {options}", **ASCII)
    assert done.returncode == 0, done.stdout + done.stderr
    assert results(pytester) == ([] if "--co" in options else ["passed"])
    assert "\x1b[31m" not in done.stdout
    for path in pytester.path.glob("reports/*/report.md"):
        assert "\x1b" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("without", ["HOME", "TERM"])
def test_a_bare_environment(scenario_file, pytester, shell, without):
    """No home folder, no terminal type: a scenario needs neither."""
    scenario_file("good")
    done = shell("$PYTEST --obra-live=plain", without=[without])
    assert done.returncode == 0, done.stdout + done.stderr
    assert results(pytester) == ["passed"]


def test_one_name_in_two_folders_a_link_and_a_file_given_twice(scenario_file, pytester, shell):
    """Each is a test of its own with a node id of its own; the file that is given twice runs once."""
    path = scenario_file("same", folder="a")
    scenario_file("same", folder="b")
    (pytester.path / "b" / "link.obra.yaml").symlink_to(path)
    done = shell("$PYTEST a/same.obra.yaml a/same.obra.yaml b && cat reports/*/results.jsonl")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len({row["node"] for row in rows}) == 3
    assert len(rows) == 3 or pytest.version_tuple[:2] == (
        8,
        0,
    )  # runs a file twice that is given twice


def test_started_below_and_rooted_elsewhere(scenario_file, pytester, shell):
    """The report lies in the root folder, wherever pytest was started."""
    pytester.makeini("[pytest]")
    scenario_file("good", folder="below")
    done = shell("cd below && $PYTEST")
    assert done.returncode == 0, done.stdout + done.stderr
    elsewhere = pytester.mkdir("elsewhere")
    done = shell(f"cd / && $PYTEST --rootdir={elsewhere} {pytester.path}/below")
    assert done.returncode == 0, done.stdout + done.stderr
    assert results(pytester) == ["passed"]
    assert len(list(elsewhere.glob("reports/*/report.md"))) == 1


def test_looking_runs_nothing(scenario_file, pytester, shell):
    """Fixtures, plans and collections leave no report, and no scenario is called broken or left out."""
    scenario_file("good")
    for option in ("--fixtures", "--setup-plan", "--setup-only", "--co -qq"):
        done = shell(f"$PYTEST {option}")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "not run" not in done.stdout
        assert "Traceback" not in done.stdout + done.stderr
    assert not (pytester.path / "reports").exists()
