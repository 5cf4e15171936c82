"""The stage of the agent over SSH: a loopback sshd, the real program, and a scripted model behind the tunnel."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from obra.agents.claude_code_ssh import ClaudeCodeSSHAgent
from obra.plugins import AgentPlugin, ContractCase, WorksElsewhere
from obra.testing.leftovers import GRACE_SECONDS, LOOK_SECONDS, processes_since, started_processes
from obra.testing.requirements import require
from obra.testing.scene import Scene, freeze_processes
from obra.testing.ssh_server import SSHServer
from obra.testing.stages import BUSY, WORK, ReplayStage


@dataclass(frozen=True)
class SSHStage(ReplayStage):
    """This machine as the other one: the agent logs in over loopback and works in a folder beside its workspace.

    It is where the last agent works that :meth:`make_agent` made, as the script's server must know.
    """

    _made: list[ClaudeCodeSSHAgent] = field(default_factory=list)

    @property
    def remote_workspace(self) -> str:
        """The workspace on the other machine."""
        return self._made[-1].remote_workspace

    def read_text(self, path: str) -> str | None:
        """Return the text of a file there."""
        return self._made[-1].read_text(path)

    def make_agent(self) -> AgentPlugin:
        """Return a new agent."""
        self._made[:] = [ClaudeCodeSSHAgent()]
        return self._made[-1]

    @contextlib.contextmanager
    def scene(self, case: ContractCase, workspace: Path) -> Iterator[Scene]:
        """Start a server to log in to, and open the model's for *case*."""
        there = workspace.with_name(f"{workspace.name}-there")
        there.mkdir()
        before = set(started_processes())
        sshd = SSHServer(workspace.with_name(f"{workspace.name}-sshd"))
        try:
            with super().scene(case, workspace) as scene:
                yield dataclasses.replace(
                    scene,
                    config={**scene.config, **sshd.reach, "remote_dir": str(there)},
                    trespassed=lambda: any(there.glob(f"*/{WORK}")),
                    is_busy=lambda: any(there.glob(f"*/workspace/{BUSY}")),
                    freeze=lambda: freeze_processes(_far_programs()),
                )
        finally:
            sshd.stop()
            _reap_since(before)
        left = [path.name for path in there.iterdir()]
        require(not left, f"folders are left on the other machine: {', '.join(left)}")

    def _elsewhere(self) -> WorksElsewhere:
        return self

    def _programs(self, before: Collection[psutil.Process]) -> list[psutil.Process]:  # noqa: ARG002  # by its name
        return _far_programs()


def _far_programs() -> list[psutil.Process]:
    """Return what the runner has started: the agent's program and all below it."""
    found = []
    for process in started_processes():
        with contextlib.suppress(psutil.Error):
            line = process.cmdline()
            if "start" in line and any(word.endswith("/runner.pyz") for word in line):
                found += process.children(recursive=True)
    return found


def _reap_since(before: set[psutil.Process]) -> None:
    """Reap what ended of the other machine: its orphans are ours, since we are a subreaper on the same one."""
    end = time.monotonic() + GRACE_SECONDS
    while (new := processes_since(before)) and time.monotonic() < end:
        for process in new:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process.pid, os.WNOHANG)
        time.sleep(LOOK_SECONDS)
