"""Ctrl-C at several moments of a turn, on every rung: seconds until ``obra run`` has ended, and in what state.

    python tests/bench/ctrl_c.py [--rung mock ...|--all] [--moment tool ...] [--times 5] [--record FILE]
    python tests/bench/ctrl_c.py --table FILE

starts ``obra run`` with a scenario, sends SIGINT at a moment, and waits for the end of that process. The moments:

* starting: the task is running, and its agent is made ready;
* prompt: the prompt is about to be sent, which starts most programs;
* model: the agent is connected to its model, which begins an answer and never ends it;
* tool: a command of the agent runs;
* check: the turn is over, and a check of Obra's own runs.

An end counts only when the exit code is 130 to a shell, the task is stored as interrupted and nothing that was
started works in the run's folder 5 seconds later, here or there; what is not so is told, and the exit code is
1. So that a busy machine can be told from a slow end, a fixed piece of computing is timed just after each:
``slowness`` is how much longer it took than its processor time. The exit code is 1, too, where an end took more
than 2 seconds times that. With ``--first`` (as root) all that runs goes before everything else of the machine
from the signal to the end, so that what others do there is not measured.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from crash_case import SSH, Place, processes_in
from crash_matrix import RUNGS as MATRIX
from crash_matrix import found_here
from crash_story import STORIES

from obra.domain import TaskStatus
from obra.state.state_manager import StateManager

RUNGS = tuple(one for one in MATRIX if one not in STORIES)
MOMENTS = ("starting", "prompt", "model", "tool", "check")
LIMIT = 2.0
"""Seconds that Ctrl-C may take."""
NO_MODEL = ("mock",)
PATIENCE = 120.0
GUARD_SECONDS = 5.0
"""What the guard of a run may take for its last look at all processes; it begins when the run is gone."""
INTERRUPTED = (130, -signal.SIGINT)
"""Both are 130 to a shell. ``python -m`` ends by the signal where it came while a text was executed, as modules do
that make dataclasses, however it was dealt with then."""
MARK = "began"
WAITING = "touch {mark}; while [ ! -e go ]; do sleep 0.05; done"
SCENARIO = """\
name: slow
task: {{title: Take your time}}
checks:
  - command: {check}
script:
  - {{say: Done., write: {{a.txt: a}}, run: {run}}}
reviewer: [{{score: 90}}]
"""
STALLED = "faults: [{model: stalled, prompt: 1}]\n"


class Run:
    """One ``obra run`` in a folder of its own."""

    def __init__(self, folder: Path, rung: str, place: Place, moment: str) -> None:
        """Start it."""
        self.folder, self._moment = folder, moment
        (folder / "there").mkdir(parents=True)
        tool = WAITING.format(mark=MARK) if moment == "tool" else "true"  # it may write into the workspace alone
        check = WAITING.format(mark=folder / MARK) if moment == "check" else "test -e a.txt"
        text = SCENARIO.format(check=json.dumps(check), run=json.dumps(tool))
        (folder / "slow.obra.yaml").write_text(text + (STALLED if moment == "model" else ""))
        settings = {
            **place.settings,
            **({"agent.ssh.workspace_dir": str(folder / "there")} if rung == SSH else {}),
        }
        options = [word for key, value in settings.items() for word in ("-o", f"{key}={json.dumps(value)}")]
        command = [sys.executable, "-m", "obra", "run", "slow.obra.yaml", "--agent", rung, *options]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=pipe, text=True)

    def reach(self) -> bool:
        """Wait for the moment; False where the run has ended before."""
        if self._moment in ("starting", "prompt"):
            word = "task 1" if self._moment == "starting" else "attempt 1"
            return any(word in line for line in self.process.stdout)
        is_there: Callable[[], bool] = self._is_connected if self._moment == "model" else self._has_begun
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < end:
            if is_there():
                time.sleep(0.2)  # into the moment, and not at its first instant
                return self.process.poll() is None
            time.sleep(0.02)
        return False

    def stop(self, *, first: bool) -> tuple[float, str]:
        """Send SIGINT; return the seconds until the end, and what is wrong with that end."""
        if first:
            self._put_first()
        begun = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        errors = self.process.communicate(timeout=PATIENCE)[1]
        took = time.monotonic() - begun
        return took, "; ".join(self._wrong(errors))

    def end(self) -> str:
        """End it in any case; return the end of what it has said."""
        if self.process.poll() is None:
            self.process.kill()
        return " ".join("".join(self.process.communicate()).split())[-500:]

    def _put_first(self) -> None:
        """Let this process, all that it has started and all that works in the folder run before all others."""
        found = {os.getpid(), *processes_in(self.folder)}
        found |= {one.pid for one in psutil.Process().children(recursive=True)}
        for thread in (one for number in found for one in Path(f"/proc/{number}/task").glob("*")):
            with contextlib.suppress(ProcessLookupError):
                os.sched_setscheduler(int(thread.name), os.SCHED_RR, os.sched_param(1))

    def _wrong(self, errors: str) -> Iterator[str]:
        if self.process.returncode not in INTERRUPTED:
            yield f"exit code {self.process.returncode}: {' '.join(errors.split())[-300:]}"
        end = time.monotonic() + GUARD_SECONDS
        while (left := self._left()) and time.monotonic() < end:
            time.sleep(0.02)
        if left:
            yield f"processes left: {left}"
        if there := [one.name for one in (self.folder / "there").iterdir()]:
            yield f"left on the other machine: {there}"
        with StateManager(f"sqlite:///{self.folder}/.obra/obra.db") as state:
            if (status := state.get_task(1).status) is not TaskStatus.INTERRUPTED:
                yield f"the task is {status}"

    def _left(self) -> list[int]:
        return [number for number in processes_in(self.folder) if number != self.process.pid]

    def _has_begun(self) -> bool:
        return any(MARK in files for _, _, files in os.walk(self.folder))  # what vanishes meanwhile is passed over

    def _is_connected(self) -> bool:
        """Tell whether somebody is connected to a server of the run's process: its agent, to the model."""
        with contextlib.suppress(psutil.Error):
            found = psutil.Process(self.process.pid).net_connections("tcp")
            own = {one.laddr.port for one in found if one.status == psutil.CONN_LISTEN}
            return any(one.status == psutil.CONN_ESTABLISHED and one.laddr.port in own for one in found)
        return False


def slowness() -> float:
    """Return how much longer than its processor time a tenth of a second of computing takes now."""
    begun, used = time.monotonic(), time.process_time()
    while time.process_time() - used < 0.1:
        pass
    return (time.monotonic() - begun) / 0.1


def stopped(rung: str, moment: str, place: Place, *, first: bool) -> dict:
    """Return one row: one run that was stopped."""
    with tempfile.TemporaryDirectory(prefix="obra-ctrl-c-") as name:
        run = Run(Path(name), rung, place, moment)
        try:
            if not run.reach():
                return {"rung": rung, "moment": moment, "wrong": f"it did not come to that: {run.end()}"}
            took, wrong = run.stop(first=first)
        finally:
            run.end()
    row = {"rung": rung, "moment": moment, "seconds": round(took, 2), "wrong": wrong}
    row["slowness"] = round(slowness(), 2)
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return row


def is_late(row: dict) -> bool:
    """Tell whether an end took longer than it may on a machine that is as busy."""
    return row["seconds"] > LIMIT * max(1.0, row["slowness"])


def table(rows: list[dict]) -> str:
    """Return *rows* as a Markdown table: rungs down, moments across, and below it what was wrong."""
    timed = [row for row in rows if "seconds" in row]
    lines = [f"| rung | {' | '.join(MOMENTS)} |", "|---" * (1 + len(MOMENTS)) + "|"]
    for rung in dict.fromkeys(row["rung"] for row in timed):
        cells = []
        for moment in MOMENTS:
            took = [row["seconds"] for row in timed if (row["rung"], row["moment"]) == (rung, moment)]
            cells.append(f"{statistics.median(took):.2f}, {max(took):.2f} ({len(took)})" if took else "")
        lines.append(f"| {rung} | {' | '.join(cells)} |")
    slow = [row["slowness"] for row in timed] or [1.0]
    late = [row for row in timed if is_late(row)]
    over = sum(row["seconds"] > LIMIT for row in timed)
    lines += ["", f"Seconds, median and maximum (of how many). More than {LIMIT:g} s: {over} of {len(timed)};"]
    lines[-1] += f" more than {LIMIT:g} s times the slowness just then: {len(late)}."
    lines += [f"Slowness of the machine meanwhile: median {statistics.median(slow):.1f}, maximum {max(slow):.1f}."]
    told = [*late, *(row for row in rows if row["wrong"])]
    lines += [f"- {json.dumps(row)}" for row in told]
    return "\n".join(lines)


def rows_of(given: argparse.Namespace) -> Iterator[dict]:
    """Yield a row for each run; the times of a moment are spread over the whole time."""
    with tempfile.TemporaryDirectory(prefix="obra-ctrl-c-") as folder, contextlib.ExitStack() as stack:
        places = {}
        for rung in [one for one in RUNGS if one != "cassette"] if given.all else given.rung or ["mock"]:
            (here := Path(folder, rung.replace(":", "-"))).mkdir()
            place = found_here(rung, here, stack)
            if isinstance(place, str):
                print(f"{rung}: left out: {place}", file=sys.stderr)
            else:
                places[rung] = place
        for _ in range(given.times):
            for rung, place in places.items():
                for moment in given.moment or MOMENTS:
                    if moment != "model" or rung not in NO_MODEL:
                        yield stopped(rung, moment, place, first=given.first)


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rung", action="append", choices=RUNGS, help="default: mock")
    parser.add_argument("--all", action="store_true", help="every rung but cassette, whose program is replay's")
    parser.add_argument("--moment", action="append", choices=MOMENTS, help="default: all")
    parser.add_argument("--times", type=int, default=5, metavar="N", help="runs of each (5)")
    parser.add_argument("--first", action="store_true", help="before all else of a busy machine; needs root")
    parser.add_argument("--record", type=Path, metavar="FILE", help="append the runs to a file of JSON lines")
    parser.add_argument("--table", type=Path, metavar="FILE", help="print such a file as a table")
    given = parser.parse_args()
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell that runs us in the background has it ignored
    os.environ.pop("OBRA_RUN_ID", None)
    rows = [json.loads(line) for line in given.table.read_text().splitlines()] if given.table else []
    for row in () if given.table else rows_of(given):
        rows.append(row)
        print(json.dumps(row), file=sys.stderr, flush=True)
        if given.record:
            with given.record.open("a") as file:
                file.write(json.dumps(row) + "\n")
    print(table(rows))
    return int(any(row["wrong"] or is_late(row) for row in rows))


if __name__ == "__main__":
    sys.exit(main())
