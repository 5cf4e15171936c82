"""The README: its two command lines are the ones that the gate runs, and all that it points to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from obra import __version__

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SUFFIXES = "py|yaml|yml|md|json|toml|txt|cfg|sh"
MADE_BY_A_RUN = ("reports/", ".obra/", ".venv/")


def commands() -> list[str]:
    """The command lines of the first block marked ``sh``."""
    first = next((text for language, text in BLOCK.findall(README) if language == "sh"), "")
    return [line for line in first.splitlines() if line.strip()]


def paths() -> set[str]:
    """Every relative path that the README links to, or names in backticks."""
    prose = BLOCK.sub("", README)
    linked = {target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)", prose) if "://" not in target}
    named = set(re.findall(rf"`([\w./-]+/|[\w.-]+/[\w./-]+\.(?:{SUFFIXES}))`", prose))
    return {path for path in linked | named if path and not path.startswith(("mailto:", "/", *MADE_BY_A_RUN))}


def test_the_first_sh_block_holds_two_command_lines():
    """One for the main job and one for the tests; no comment, prompt or continuation beside them."""
    lines = commands()
    assert len(lines) == 2
    assert not [line for line in lines if line.startswith(("#", "$", " ", "\t")) or line.endswith("\\")]


def test_the_main_job_runs_the_scenarios():
    """The first line shows what the product is for."""
    assert "pytest scenarios/" in commands()[0]


def test_the_gate_runs_the_test_command_word_for_word():
    """What people are told to run is what the gate proves."""
    line = commands()[1]
    assert line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_the_readme_points_somewhere():
    """Without any path in it the next test would prove nothing."""
    assert paths()


@pytest.mark.parametrize("path", sorted(paths()))
def test_what_the_readme_names_is_there(path):
    """No link or path leads nowhere."""
    assert (ROOT / path).exists()


def test_the_change_log_has_this_version():
    """What changed stands under the version, or under Unreleased while it has none."""
    headings = re.findall(r"^## \[?([^\]\s]+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {"Unreleased", __version__} & set(headings)
