"""The commands that are given on the other machine: start, attach, look, sweep."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from obra.agents.far_side.attachment import attach
from obra.agents.far_side.discovery import look
from obra.agents.far_side.processes import sweep
from obra.agents.far_side.runner import Runner

USAGE = 64
"""Exit code of a command that there is not; sysexits.h."""


def main() -> int:
    """Obey the command line; return the exit code."""
    command, *words = sys.argv[1:] or [""]
    if command == "start":
        return start(Path(words[0]))
    if command == "attach":
        folder, out_at, err_at, beat, claim = words
        return attach(Path(folder), out_at=int(out_at), err_at=int(err_at), beat=float(beat), claim=claim)
    if command == "look":
        sys.stdout.write(json.dumps(look(Path(words[0]))))
        return 0
    if command == "sweep":
        return 0 if sweep(words[0]) else 1
    sys.stderr.write("usage: start FOLDER | attach FOLDER OUT ERR BEAT CLAIM | look FOLDER | sweep MARKER\n")
    return USAGE


def start(folder: Path) -> int:
    """Start a runner in *folder*, detached from this process, its session and its streams.

    What it is to run comes as JSON on standard input, so that no process list shows the variables. Returns when
    the agent has been started, or could not be; then why stands on standard error.
    """
    folder.mkdir(mode=0o700)
    job = json.loads(sys.stdin.buffer.read().decode("utf-8"))
    reading, writing = os.pipe()
    end_seen, end_held = os.pipe()
    if os.fork():
        os.close(writing)
        with os.fdopen(reading, "rb") as stream:
            said = stream.read().decode("utf-8", "replace")
        if said != "started":
            sys.stderr.write(said or "the runner ended before it had started anything\n")
        return 0 if said == "started" else 1
    os.close(reading)
    os.close(end_held)
    os.setsid()
    if os.fork():
        os._exit(0)
    nothing = os.open(os.devnull, os.O_RDWR)
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number, stream_number in ((nothing, 0), (nothing, 1), (log, 2)):
        os.dup2(number, stream_number)
    os.chdir("/")
    return _run(folder, job, writing, end_seen)


def _run(folder: Path, job: dict[str, object], answer: int, end_seen: int) -> int:
    """Be the runner; tell through *answer* whether the agent was started.

    The command that started this carries the marker too, so it must be gone before anything is swept.
    """
    try:
        runner = Runner(folder, job)
    except (OSError, ValueError) as error:
        os.write(answer, f"{error}\n".encode())
        return 1
    os.write(answer, b"started")
    os.close(answer)
    os.read(end_seen, 1)
    runner.run()
    return 0
