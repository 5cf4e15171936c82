"""Ctrl-C in the middle of an endless turn: nothing runs any more, and the task can be gone on with."""

from __future__ import annotations

import signal
import time

import psutil
import pytest

WAITING = "touch {begun}; while [ ! -e {go} ]; do sleep 0.05; done; touch done.txt"


def until(condition, seconds: float = 200.0) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def below(folder) -> list[str]:
    """What works in *folder*, or was started for it."""
    found = []
    for one in psutil.process_iter():
        try:
            if one.status() != psutil.STATUS_ZOMBIE and str(folder) in " ".join([one.cwd(), *one.cmdline()]):
                found.append(" ".join(one.cmdline()))
        except (psutil.Error, OSError):
            continue
    return found


@pytest.fixture
def rung(request, tmp_path):
    """Options of ``obra run`` for a rung, and where its programs are."""
    name = request.param
    if name == "mock":
        return name, {}
    variables = {"OBRA__AGENT__LOCAL__COMMAND": request.getfixturevalue("claude")}
    if name == "replay:ssh":
        server = request.getfixturevalue("ssh_server")
        (tmp_path / "there").mkdir()
        there = {**server.reach, "command": request.getfixturevalue("claude"), "workspace_dir": tmp_path / "there"}
        variables = {f"OBRA__AGENT__SSH__{key.upper()}": str(value) for key, value in there.items()}
    return name, variables


@pytest.mark.parametrize("rung", ["mock", "replay", "replay:terminal", "replay:ssh"], indirect=True)
def test_ctrl_c_stops_and_the_task_goes_on(rung, obra, start, write, tmp_path):
    """The process is gone, so is all that it started here and there; ``obra resume`` comes to the end."""
    name, variables = rung
    place = tmp_path / "marks"
    place.mkdir()
    waiting = WAITING.format(begun=place / "begun", go=place / "go")
    write(
        "slow.obra.yaml",
        "name: slow\ntask: {title: Take your time}\nchecks: [{file: done.txt}]\nscript:\n"
        f"  - {{say: Done., run: '{waiting}'}}\nreviewer: [{{score: 90}}]\n",
    )
    process = start("run", "slow.obra.yaml", "--agent", name, variables=variables)
    until(lambda: (place / "begun").exists() or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=200)
    assert process.returncode == 130
    until(lambda: below(place) == [])  # on another machine it ends when that one has seen the connection end
    until(lambda: list((tmp_path / "there").glob("*")) == [])
    assert obra("task", "list", "--json").data[0]["status"] == "interrupted"
    (place / "go").touch()
    again = obra("resume", "--agent", name, **variables)
    assert again.code == 0, again.err
    assert "completed" in again.out
