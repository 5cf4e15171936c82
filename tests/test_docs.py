"""The pages of docs/: each is listed, each link leads somewhere, each snippet does what it shows.

A shell block below a line ``*Needs: ...*`` is not run, because it needs a login, a server or the network; that its
commands exist is held all the same. Python blocks are compiled, and those of ``extending.md`` are used.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml
from sqlite_queue import need_sqlite_queue

from obra.cli.program import obra
from obra.config import Config
from obra.testing import check_agent, check_llm

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md"))
BLOCK = re.compile(r"(?:^\*(Needs: [^*]+)\*\n\n)?^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
RUN = (
    "guides/QUICK_START_REAL_AGENT.md",
    "verdicts.md",
    "extending.md",
    "ci.md",
    "observability.md",
    "interactive.md",
    "many-machines.md",
)
"""Pages whose shell blocks are run, from top to bottom, in a folder that obra init made."""
ENDS = {"obra checklist --json": 1}
"""Exit codes that are not 0."""


def name_of(path: Path) -> str:
    """A page's path below docs/."""
    return path.relative_to(DOCS).as_posix()


def blocks(path: Path, language: str) -> list[tuple[str, str]]:
    """What the blocks of a language need, and their text."""
    found = BLOCK.findall(path.read_text(encoding="utf-8"))
    return [(needs, text) for needs, kind, text in found if kind == language]


def commands(text: str) -> list[str]:
    """The lines of a shell block, with continued ones in one."""
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")]


@pytest.mark.parametrize("page", [path for path in PAGES if path.name != "index.md"], ids=name_of)
def test_the_index_lists_each_page(page):
    """Nobody has to know a page's name to find it."""
    assert f"]({name_of(page)})" in (DOCS / "index.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_link_leads_somewhere(page):
    """Files exist, and so do the headings that are pointed to."""
    for target in re.findall(r"\]\(([^)\s]+)\)", BLOCK.sub("", page.read_text(encoding="utf-8"))):
        if "://" in target:
            continue
        path, _, heading = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_command_of_ours_exists(page):
    """Every line that begins with obra is one that the command accepts."""
    for _, text in blocks(page, "sh"):
        for line in commands(text):
            words = shlex.split(re.split(r" (?:>>?|<|\|) ", line, maxsplit=1)[0], comments=True)
            if words[:1] != ["obra"]:
                continue
            found: click.Command = obra
            rest = words[1:]
            while isinstance(found, click.Group) and rest:
                inner = found.get_command(click.Context(found), rest[0])
                assert inner is not None, line
                found, rest = inner, rest[1:]
            found.make_context("obra", rest)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_block_can_be_read(page):
    """Python compiles, YAML parses."""
    for _, text in blocks(page, "python"):
        compile(text, str(page), "exec")
    for _, text in blocks(page, "yaml"):
        yaml.safe_load(text)


@pytest.mark.parametrize("page", RUN)
def test_the_commands_of_a_page_work_in_their_order(page, tmp_path):
    """As a person would type them, in a new folder; what needs more is not run."""
    folder = tmp_path / "project"
    folder.mkdir()
    variables = {name: text for name, text in os.environ.items() if not name.startswith(("OBRA", "PYTEST"))}
    front = f"{Path(sys.executable).parent}{os.pathsep}"
    variables |= {"HOME": str(tmp_path), "PATH": front + os.environ["PATH"]}
    if not shutil.which("obra", path=variables["PATH"]):
        pytest.skip("obra is not installed as a command here")
    if page == "many-machines.md":
        need_sqlite_queue()

    def typed(line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            line, shell=True, cwd=folder, env=variables, text=True, capture_output=True, check=False
        )

    assert typed("obra init").returncode == 0
    ran = 0
    for needs, text in blocks(DOCS / page, "sh"):
        for line in () if needs else commands(text):
            done = typed(line)
            assert done.returncode == ENDS.get(line, 0), f"{line}\n{done.stdout}\n{done.stderr}"
            ran += 1
    assert ran


def test_the_agent_and_the_llm_of_the_page_keep_their_contracts(tmp_path):
    """What a person copies from docs/extending.md is accepted by the loop."""
    names: dict = {}
    for _, text in blocks(DOCS / "extending.md", "python"):
        exec(text, names)
    (tmp_path / "work").mkdir()
    check_agent(names["HelloAgent"], workspace=tmp_path / "work", config={}, prompts=["a", "b"])
    check_llm(lambda: names["YesLLM"]({}))


def test_the_settings_of_the_page_are_settings(tmp_path):
    """The block about notifications is a file that Obra reads."""
    ((_, text),) = blocks(DOCS / "observability.md", "yaml")
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    assert Config.load(tmp_path / "a.yaml", environ={}).get("notifications.on_end") is True
