"""What happens to an agent's processes in a scene happens to no others."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

import psutil
import pytest

from obra.testing import Scene
from obra.workspace.processes import ProcessTree

STILL = {psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE}


@pytest.mark.parametrize("act", ["kill", "freeze"])
def test_only_what_was_started_since_is_killed_or_frozen(tmp_path, act):
    """Whoever runs the suite may have servers of their own, which go on."""
    with subprocess.Popen(["sleep", "600"]) as own:
        try:
            scene = Scene()
            tree = ProcessTree("sleep 600 & sleep 600", cwd=tmp_path, environment={"PATH": "/usr/bin:/bin"})
            try:
                agents: list[psutil.Process] = []
                _until(lambda: len(agents) > 1 or agents.extend(_sleeping(tree)))
                getattr(scene, act)()
                _until(lambda: all(map(_is_still, agents)))
            finally:
                tree.sweep()
            assert not _is_still(psutil.Process(own.pid))
        finally:
            own.kill()


def _sleeping(tree: ProcessTree) -> list[psutil.Process]:
    found = [one for one in tree.survivors() if one.name() == "sleep"]
    return found if len(found) > 1 else []


def _until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def _is_still(process: psutil.Process) -> bool:
    try:
        return process.status() in STILL
    except psutil.NoSuchProcess:
        return True
