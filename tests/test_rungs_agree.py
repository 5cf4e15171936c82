"""One scenario, every rung: the real programs, their models scripted, come to the verdict of the mock agent.

Each program is looked for under the name of an environment variable, then on PATH. One that is not there is a
visible skip that says how to get it; the others are compared all the same.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from obra.statistics.fidelity import fidelities

ROOT = Path(__file__).parent.parent
SECONDS = 600  # some of these programs take seconds to start, and more on a busy machine
CLAUDE = ("OBRA__AGENT__LOCAL__COMMAND", "claude", "@anthropic-ai/claude-code@2.1.330")
PROGRAMS = {
    "replay": CLAUDE,
    "replay:terminal": CLAUDE,
    "replay:ssh": CLAUDE,
    "cassette": CLAUDE,
    "replay:codex": ("CODEX_BINARY", "codex", "@openai/codex@0.169.0"),
    "replay:gemini": ("GEMINI_BINARY", "gemini", "@google/gemini-cli@0.61.0"),
    "replay:opencode": ("OPENCODE_BINARY", "opencode", "opencode-ai@1.18.33"),
    "replay:acp": ("CLAUDE_CODE_ACP_BINARY", "claude-code-acp", "@zed-industries/claude-code-acp@0.16.2"),
}
"""Where the program of each rung is looked for, what it is called on PATH, and its package."""
pytestmark = pytest.mark.timeout(SECONDS)


def found(rung: str) -> str | None:
    """Return the path of a rung's program."""
    variable, program, _ = PROGRAMS[rung]
    return shutil.which(os.environ.get(variable, program))


@pytest.mark.parametrize("rung", PROGRAMS)
def test_the_program_of_the_rung_is_here(rung: str, request: pytest.FixtureRequest):
    """What is missing on this machine is seen among the skips, and not only by its absence below."""
    variable, _, package = PROGRAMS[rung]
    if not found(rung):
        pytest.skip(f"{rung} is not compared: npm install {package} and name its program in {variable}")
    if rung == "replay:ssh":
        request.getfixturevalue("ssh_server")  # skips by itself


def test_the_calculator_comes_to_the_same_verdict_on_every_rung(request: pytest.FixtureRequest, tmp_path: Path):
    """Result, status, checks, hidden checks, attempts and quality are those of the mock; nothing is left."""
    rungs = [rung for rung in PROGRAMS if found(rung)]
    environment, there = environment_for(rungs, request, tmp_path)
    arguments = [f"--obra-agent={rung}" for rung in ("mock", *rungs)]
    if importlib.util.find_spec("xdist"):
        arguments += ["-n", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "calculator.obra.yaml", *arguments,
         f"--obra-report-dir={tmp_path}/reports"],
        cwd=ROOT / "scenarios", env=environment, capture_output=True, text=True, timeout=SECONDS - 20, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (results,) = tmp_path.glob("reports/*/results.jsonl")
    rows = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    rows.sort(key=lambda row: row["agent"] != "mock")  # the others are held to the first
    assert {row["agent"] for row in rows} == {"mock", *rungs}
    for one in fidelities(rows):
        assert (one.agreeing.count, one.agreeing.of, one.without_verdict) == (1, 1, 0), one.disagreements
        assert (one.same_evidence.count, one.same_evidence.of) == (1, 1), one.other
    mock = rows[0]
    assert (mock["result"], mock["status"]) == ("passed", "completed")
    for row in rows[1:]:
        assert (row["iterations"], row["quality"]) == (mock["iterations"], mock["quality"]), row["agent"]
        name = PROGRAMS[row["agent"]][1].removesuffix("-ai")
        assert name in row["agent_identity"].lower(), row["agent_identity"]
    assert there is None or list(there.iterdir()) == []


def environment_for(
    rungs: list[str], request: pytest.FixtureRequest, folder: Path
) -> tuple[dict[str, str], Path | None]:
    """Return the variables of the run, and the folder of the other machine, if it has a part in it.

    The other agents are found on PATH, as people have them. Without an SSH server that rung is taken out.
    """
    programs = folder / "programs"
    programs.mkdir()
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(folder),
        "OBRA__DATABASE__URL": f"sqlite:///{folder}/obra.db",
        "OBRA__WORKSPACE__STORE": str(folder / "snapshots.git"),
        "OBRA__EVIDENCE__MUTANTS": "0",  # small mistakes in the same files are the same on every rung
    }
    for rung in rungs:
        variable, program, _ = PROGRAMS[rung]
        if (variable, program) == CLAUDE[:2]:
            environment[variable] = str(found(rung))
        else:
            (programs / program).symlink_to(str(found(rung)))
    if "replay:ssh" not in rungs:
        return environment, None
    try:
        server = request.getfixturevalue("ssh_server")
    except pytest.skip.Exception:
        rungs.remove("replay:ssh")
        return environment, None
    there = folder / "there"
    there.mkdir()
    reach = {**server.reach, "command": found("replay:ssh"), "workspace_dir": there}
    environment |= {f"OBRA__AGENT__SSH__{key.upper()}": str(value) for key, value in reach.items()}
    return environment, there
