"""Every error class has a heading, is raised by a test, and its message leads to the heading."""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import obra
import pytest_obra
from obra.cli.failures import exit_code_of
from obra.cli.program import obra as program
from obra.errors import LLMError, ObraError
from obra.llm.local_llm_interface import LocalLLMInterface
from obra.llm.server_connection import ServerRefused

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
TESTS = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))


def below(kind: type[ObraError]) -> Iterator[type[ObraError]]:
    """A class and all that derive from it, wherever they are defined."""
    yield kind
    for inner in kind.__subclasses__():
        yield from below(inner)


def all_errors() -> list[type[ObraError]]:
    """The whole tree, after every module was imported; those of tests do not count."""
    for package in (obra, pytest_obra):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__") and ".migrations" not in module.name:
                importlib.import_module(module.name)
    return [kind for kind in below(ObraError) if kind.__module__.partition(".")[0] in ("obra", "pytest_obra")]


ERRORS = all_errors()


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_an_error_has_a_heading(kind):
    """With some words below it."""
    found = re.search(rf"^## {kind.__name__}\n\n(.{{60,}})", TEXT, re.MULTILINE)
    assert found, f"docs/troubleshooting.md has no heading for {kind.__name__}"


@pytest.mark.parametrize(
    "kind", [kind for kind in ERRORS if not kind.__subclasses__()], ids=lambda kind: kind.__name__
)
def test_an_error_is_raised_by_some_test(kind):
    """A test expects it by its class, or its name in what a person sees."""
    assert re.search(rf"raises\(\(?[^)]*\b{kind.__name__}\b|explain {kind.__name__}\b", TESTS)


def test_what_is_shipped_is_what_is_shown():
    """`obra explain` prints the text of docs/."""
    assert (ROOT / "obra/kits/troubleshooting.md").read_text(encoding="utf-8") == TEXT


def obra_command(*words: str, **more) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    variables = {name: text for name, text in os.environ.items() if not name.startswith("OBRA")}
    return subprocess.run(
        [sys.executable, "-m", "obra", *words], env=variables, text=True, stderr=subprocess.PIPE, check=False,
        **{"stdout": subprocess.PIPE, **more},
    )  # fmt: skip


def test_a_message_names_its_heading(tmp_path):
    """What stands behind an error can be typed and explains it."""
    ended = obra_command("task", "show", "7", cwd=tmp_path)
    assert ended.stderr.endswith("more: obra explain NotFound\n")
    told = obra_command("explain", "NotFound")
    assert told.stdout.startswith("NotFound\n\nNo project, task, attempt or breakpoint has that id.")


@pytest.mark.parametrize("words", ["rn", "run", "run --agnt x", "task show", "task show x", "explain 'Nonsense"])
def test_a_misuse_names_its_heading(words, capsys):
    """Whether click found it or a verb; what can be typed next is the last line."""
    assert exit_code_of(lambda: program.main(words.split(), prog_name="obra", standalone_mode=False), []) == 2
    assert capsys.readouterr().err.endswith("more: obra explain UsageError\n")


def test_the_help_of_a_bare_noun_explains_itself(capsys):
    """`obra task` prints its verbs, and nothing about an error."""
    exit_code_of(lambda: program.main(["task"], prog_name="obra", standalone_mode=False), [])
    said = "".join(capsys.readouterr())
    assert "Commands:" in said
    assert "explain UsageError" not in said


def test_a_full_disk_leads_to_its_heading(tmp_path):
    """Output that is lost is an error of its own."""
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    with Path("/dev/full").open("w") as full:
        ended = obra_command("explain", cwd=tmp_path, stdout=full)
    assert ended.returncode == 1
    assert ended.stderr.endswith("more: obra explain OutputLost\n")


def test_the_names_are_listed_and_a_wrong_one_is_refused():
    """Each class that has a heading is listed; a typo gets the nearest."""
    listed = obra_command("explain").stdout.split()
    assert {kind.__name__ for kind in ERRORS} <= set(listed)
    assert obra_command("explain", "agenttimeout").stdout.startswith("AgentTimeout\n")
    wrong = obra_command("explain", "AgentTimeot")
    assert (wrong.returncode, "did you mean AgentTimeout?" in wrong.stderr) == (2, True)


def test_a_server_that_refuses_is_a_protocol_error(ollama):
    """With its status and its words, and an LLMError like all of that side."""
    ollama.loaded["llama3.2:latest"] = 16384
    ollama.will(status=418)
    llm = LocalLLMInterface({"type": "ollama", "api_url": ollama.url, "model": "llama3.2"})
    try:
        with pytest.raises(ServerRefused, match="418") as caught:
            llm.generate("Say hello")
    finally:
        llm.close()
    assert isinstance(caught.value, LLMError)
