"""A workspace that cannot be written into ends the task with a stored reason, before the agent is asked."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

PROGRAM = """
import pathlib, sys
from obra.config import Config
from obra.domain import ScriptStep
from obra.errors import WorkspaceError
from obra.events import PromptReady
from obra.orchestrator import Orchestrator
here = pathlib.Path(sys.argv[1])
work = here / "work"
work.mkdir()
config = Config.load(rung="mock")
config.set("workspace.store", str(here / "store"))
config.set("database.url", f"sqlite:///{here}/obra.db")
script, asked = [ScriptStep(say="Done.", write={"a.txt": "a"})], []
def see(event):
    if isinstance(event, PromptReady):
        asked.append(event)
with Orchestrator(config, script=script, reviewer=[{"score": 95}], observers=[see]) as loop:
    state = loop.state_manager
    project = state.create_project("p", working_dir=work)
    task = state.create_task(project.id, {"title": "Write a.txt", "checks": [{"file": "a.txt"}]})
    work.chmod(0o555)
    try:
        loop.execute_task(task.id)
    except WorkspaceError as error:
        print(error)
    print(state.get_task(task.id).status, len(asked), state.get_task(task.id).status_reason)
    work.chmod(0o755)
    print(loop.execute_task(task.id).status)
"""


def become_ordinary():
    """Take root's right to write everywhere away from this process and what it becomes."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE


def test_a_read_only_workspace_is_a_stored_end_and_costs_no_turn(tmp_path):
    """The error names the folder and the way out; once it is writable, the task runs."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=become_ordinary,
    )
    error, stored, again = done.stdout.splitlines()
    assert error.startswith(f"the workspace {tmp_path}/work cannot be written into")
    assert stored == f"failed 0 {error}"
    assert again == "completed"
