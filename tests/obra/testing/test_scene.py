"""What happens to an agent's processes in a scene happens to no others."""

from __future__ import annotations

import subprocess

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
                while len(agents := [one for one in tree.survivors() if one.name() == "sleep"]) < 2:
                    pass
                getattr(scene, act)()
                assert {psutil.Process(own.pid).status()} & STILL == set()
                while not all(_is_still(one) for one in agents):
                    pass
            finally:
                tree.sweep()
            assert own.poll() is None
        finally:
            own.kill()


def _is_still(process: psutil.Process) -> bool:
    try:
        return process.status() in STILL
    except psutil.NoSuchProcess:
        return True
