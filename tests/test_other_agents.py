"""The real Codex, opencode, Gemini CLI and claude-code-acp, each with the scripted model of its own API.

Each is looked for under the name of an environment variable, then on PATH; where it is not there, its test is
skipped and says how to get it. That its limits hold is shown in test_agent_contract.py.
"""

from __future__ import annotations

import psutil
import pytest
from planted_settings import planted

from obra.domain import ScriptStep
from obra.plugins import AGENTS, find_plugin
from obra.replay.dialects import server_for, settings_for
from obra.testing import check_agent
from obra.testing.contract_table import KNOWN

SECONDS = 600  # these programs take seconds to start, and more on a busy machine
SCRIPT = [
    ScriptStep(
        say="One.",
        write={"a.txt": "x = 1\nx = 2\n", "deep/b.txt": "no newline"},
        run=("cd deep && pwd > ../where.txt", "pwd >> where.txt"),
    ),
    ScriptStep(
        say="Two.",
        write={"deep/b.txt": "another text"},
        edit={"a.txt": ("x", "y"), "deep/b.txt": ("text", "word")},
        delete=("where.txt",),
        run=("cp deep/b.txt 'c d.txt'",),
    ),
]
PROMPTS = ["the first", "the second"]

OTHERS = [known for known in KNOWN if known.kind != "claude_code_local"]

pytestmark = pytest.mark.timeout(SECONDS)


def processes_with(text: str) -> list[str]:
    """Return the command lines of live processes that name *text*, or work in that folder."""
    found = []
    for process in psutil.process_iter():
        try:
            words = " ".join(process.cmdline())
            if process.status() != psutil.STATUS_ZOMBIE and text in f"{words} {process.cwd()}":
                found.append(words)
        except (psutil.Error, OSError):
            continue
    return found


@pytest.mark.parametrize("known", OTHERS, ids=lambda known: known.kind)
def test_it_keeps_the_contract_and_does_the_work(known, tmp_path):
    """The shipped suite passes, two turns are one session, the files are as the script says, nothing is left.

    All that in a workspace full of hostile settings, of which none is obeyed. (Gemini CLI's own are refused; see
    test_hostile_workspaces.py.)
    """
    program = known.find()
    if program is None:
        pytest.skip(f"no {known.program}: npm install {known.package} and name its path in {known.variable}")
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    hostile = planted(workspace, gemini=known.kind != "gemini")
    with hostile, server_for(known.kind, SCRIPT, workspace=workspace) as server:
        config = {"command": program, **settings_for(known.kind, server)}
        impossible = {**config, "command": str(tmp_path / "nowhere")}
        check_agent(
            find_plugin(AGENTS, known.kind),
            workspace=workspace,
            config=config,
            prompts=PROMPTS,
            impossible=impossible,
        )
        assert server.error == ""
        assert server.requests > 1
    assert (workspace / "a.txt").read_text() == "y = 1\nx = 2\n"
    assert (workspace / "c d.txt").read_text() == "another word"
    assert not (workspace / "where.txt").exists()
    assert not processes_with(str(workspace))
