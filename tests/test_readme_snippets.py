"""The README's snippets do what they show."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import prepared_programs
import pytest
from prepared_programs import Ended

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(
    r"^```(\w+)\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)


def snippet(language: str, words: str) -> str:
    """Return the one block of that language that holds the words."""
    (found,) = [text for name, text in BLOCKS if name == language and words in text]
    return found


@pytest.fixture
def project(tmp_path):
    """A folder with our scenarios and settings in it, and none of the person's environment."""
    for name in ("scenarios", "config"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    """Nothing but where programs are, and a home of its own."""
    return {"PATH": os.environ["PATH"], "HOME": str(folder)}


def run_pytest(folder: Path, file: str) -> Ended:
    """Run pytest on a file in a folder."""
    words = ["-p", "no:cacheprovider", file]
    return prepared_programs.run("pytest", words, folder=folder, variables=environment(folder))


def test_the_scenario_of_the_readme_passes(project):
    """What people copy first is a scenario that passes."""
    (project / "mine.obra.yaml").write_text(snippet("yaml", "name: hello_world"), encoding="utf-8")
    done = run_pytest(project, "mine.obra.yaml")
    assert "1 passed" in done.out, done.out + done.err


def test_the_test_of_the_readme_passes(project):
    """The hand-written test takes the scenarios with the marker smoke."""
    (project / "test_readme.py").write_text(snippet("python", "def test_mine"), encoding="utf-8")
    done = run_pytest(project, "test_readme.py")
    assert "2 passed" in done.out, done.out + done.err


def test_the_program_of_the_readme_runs(project):
    """The loop from Python: without a script there is nothing to judge by."""
    text = snippet("python", "Orchestrator(").replace("/tmp/obra-demo", str(project / "demo"))
    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=project,
        env=environment(project),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("escalated - nothing to judge by"), done.stdout + done.stderr


def test_the_commands_of_the_readme_run_in_their_order(project):
    """Every line works where it stands; only the last, which asks a mock without a script, ends escalated."""
    lines = snippet("sh", "obra run scenarios").splitlines()
    typed = [shlex.split(line)[1:] for line in lines]
    there = {"folder": project, "variables": environment(project)}
    ends = [prepared_programs.run("obra", words, **there).code for words in typed]
    last = lines.index("obra run --task 1")
    assert ends == [1 if at == last else 0 for at in range(len(lines))]
