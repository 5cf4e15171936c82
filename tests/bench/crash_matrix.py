"""The crash matrix: kill a run before and after all that it does, go on, and compare with an undisturbed run.

Every call of a part that writes or reaches outside is a kill point: the same parts that a user gets, each behind
a proxy that counts its calls. One forked child is killed by SIGKILL at point n, another one goes on with the task.
The rungs ``mock:answered``, ``mock:several``, ``worker:answered``, ``worker:several`` are whole scenarios with a
person's answers, a clarification and several tasks, gone on with as by ``pytest --obra-resume``, or by a worker.

    python tests/bench/crash_matrix.py [--rung mock ...|--all] [--jobs 2] [--points 10-20] [--every N]
                                       [--record FILE] [--json]
    python tests/bench/crash_matrix.py --table FILE

prints one row for each kill point; the exit code is 1 when any differs. With ``--record`` the rows are kept in a
file of JSON lines, and those that stand there are not made again; ``--table`` prints such a file as a Markdown
table. A rung whose program is not here is told and left out. The rungs other than mock need the real programs
(``OBRA__AGENT__LOCAL__COMMAND``, ``CODEX_BINARY`` and so on, see the contract table), ssh an OpenSSH server.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import multiprocessing
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from crash_case import SSH, Case, Place, emptied, in_child, processes_in
from crash_story import STORIES, Story
from crash_table import table
from kill_points import Points

from obra.errors import AgentUnavailable
from obra.replay.model_doors import Tape
from obra.testing.contract_table import KNOWN
from obra.testing.ssh_server import SSHServer

RUNGS = (
    "mock",
    *STORIES,
    "replay",
    "replay:terminal",
    "replay:ssh",
    "replay:codex",
    "replay:gemini",
    "replay:opencode",
    "replay:acp",
    "cassette",
)
LEASE = 20
"""Seconds that the runner over SSH waits for the Obra that goes on, on a busy machine, too."""
TRIES = 3
"""How often a point is looked for that another run had: real programs do not always print the same lines."""
OVER = ("completed", "escalated", "failed")


def case_of(folder: Path, rung: str, place: Place) -> Case | Story:
    """Return a run of *rung* in *folder*."""
    return Story(folder, rung, place) if rung in STORIES else Case(folder, rung, place)


def points_of(rung: str, folder: Path, place: Place | None = None) -> tuple[list[str], dict]:
    """Run undisturbed; return every kill point in order, and what the run left."""
    case, points = case_of(folder / "undisturbed", rung, place or Place()), Points()
    case.create()
    case.run(points, resume=False)  # in this process: what it imports and compiles, the children need not
    return points.seen, case.result()


def killed_at(
    number: int,
    point: str,
    rung: str,
    folder: Path,
    expected: dict,
    *,
    place: Place | None = None,
    forget: bool = False,
) -> tuple[str, str]:
    """Kill a run at *point* and go on; return what differs, or nothing, and how it went on.

    With *forget* it does not go on but begins a new run, as if nothing had been kept.
    """
    for _ in range(TRIES):
        case = case_of(folder / str(number), rung, place or Place())
        shutil.rmtree(case.folder, ignore_errors=True)
        case.create()
        ended = in_child(lambda case=case: case.run(Points(point), resume=False))
        if ended != 0:
            break
    if ended != -signal.SIGKILL:
        return f"it was not killed but ended with {ended}", ""
    if rung != SSH and not emptied(case.folder):
        return f"processes left by the kill: {processes_in(case.folder)}", ""
    status = case.status()
    way = f"was {status}"
    if status not in OVER or rung in STORIES:  # a scenario is over when it has told of itself
        ended = in_child(lambda: case.run(Points(), resume=not forget))
        if ended:
            return f"going on from {status} ended with {ended}", way
        way = case.way()
    if not emptied(case.folder):
        return f"processes left at the end: {processes_in(case.folder)}", way
    found = case.result()
    differing = [name for name in expected if expected[name] != found[name]]
    return "; ".join(f"{name}: {_first_difference(expected[name], found[name])}" for name in differing), way


def _first_difference(one: object, other: object, where: str = "") -> str:
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        name = next(name for name in one if one[name] != other[name])
        return _first_difference(one[name], other[name], f"{where}.{name}")
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        at = next(at for at, item in enumerate(one) if item != other[at])
        return _first_difference(one[at], other[at], f"{where}[{at}]")
    return f"{where} {str(one)[:200]!r} != {str(other)[:200]!r}"


def found_here(rung: str, folder: Path, stack: contextlib.ExitStack) -> Place | str:
    """Return where the programs of *rung* are; a text says what is missing."""
    if rung in ("mock", *STORIES):
        return Place()
    kind = {"replay:terminal": "claude_code_local", SSH: "claude_code_local"}.get(rung, rung.rpartition(":")[2])
    kind = "claude_code_local" if kind in ("replay", "cassette") else kind
    [known] = [one for one in KNOWN if one.kind == kind]
    program = known.find()
    if not program:
        return f"no {known.program}: npm install {known.package} and name its path in {known.variable}"
    if rung == SSH:
        try:
            server = SSHServer(folder / "sshd")
        except AgentUnavailable as error:
            return str(error)
        stack.callback(server.stop)
        reach = {f"agent.ssh.{name}": value for name, value in server.reach.items()}
        return Place({**reach, "agent.ssh.command": program, "agent.ssh.lease": LEASE})
    if kind != "claude_code_local":
        return Place({"agent.options": {"command": program}})
    place = Place({"agent.local.command": program})
    return place if rung != "cassette" else recorded(folder, place)


def recorded(folder: Path, place: Place) -> Place:
    """Record the script with the real program, and return where its cassette is."""
    tape = Tape(file=folder / "matrix.cassette.jsonl", title="crash matrix", scenario=Path(__file__))
    given = dataclasses.replace(place, settings={**place.settings, "replay.record": True}, tape=tape)
    points_of("replay", folder / "recorded", given)
    return dataclasses.replace(place, tape=tape)


def matrix(
    rung: str, folder: Path, place: Place, wanted: Iterable[int] | None = None, *, jobs: int = 1
) -> Iterator[dict]:
    """Yield one row for each kill point, or for those whose numbers are *wanted*."""
    names, expected = points_of(rung, folder, place)
    numbers = [number for number in range(1, len(names) + 1) if wanted is None or number in wanted]
    work = [(number, names[number - 1], rung, folder, expected, place) for number in numbers]
    if jobs == 1:
        yield from map(_row, work)
        return
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        yield from pool.imap_unordered(_row, work)


def _row(work: tuple) -> dict:
    number, point, rung, folder, expected, place = work
    begun = time.monotonic()
    differs, way = killed_at(number, point, rung, folder, expected, place=place)
    shutil.rmtree(folder / str(number), ignore_errors=True)
    row = {"rung": rung, "point": number, "name": point, "result": differs or "equal", "way": way}
    return {**row, "seconds": round(time.monotonic() - begun, 1)}


def _wanted(given: argparse.Namespace) -> set[int] | None:
    if given.points:
        first, _, last = given.points.partition("-")
        return set(range(int(first), int(last or first) + 1))
    return None if given.every == 1 else set(range(given.every, 10_000, given.every))


def _read(file: Path | None) -> list[dict]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file and file.exists() else []


def main() -> int:
    """Print the matrix."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rung", action="append", choices=RUNGS, help="default: mock")
    parser.add_argument("--all", action="store_true", help="every rung")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th kill point")
    parser.add_argument("--points", metavar="A-B", help="only the kill points with these numbers")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="kill points at the same time")
    parser.add_argument(
        "--record", type=Path, metavar="FILE", help="keep the rows there; those in it are not made"
    )
    parser.add_argument("--table", type=Path, metavar="FILE", help="print the rows of that file as a table")
    parser.add_argument("--json", action="store_true", help="print JSON lines instead of a table")
    given = parser.parse_args()
    if given.table:
        print(table(_read(given.table), RUNGS))
        return 0
    known = _read(given.record)
    bad = total = 0
    with tempfile.TemporaryDirectory(prefix="obra-matrix-") as folder, contextlib.ExitStack() as stack:
        for rung in RUNGS if given.all else given.rung or ["mock"]:
            here = Path(folder) / rung.replace(":", "-")
            here.mkdir()
            place = found_here(rung, here, stack)
            if isinstance(place, str):
                print(f"{rung}: left out: {place}", file=sys.stderr)
                continue
            done = {row["point"] for row in known if row["rung"] == rung}
            wanted = (_wanted(given) or set(range(1, 10_000))) - done
            for row in matrix(rung, here, place, wanted, jobs=given.jobs):
                total, bad = total + 1, bad + (row["result"] != "equal")
                if given.record:
                    with given.record.open("a") as file:
                        file.write(json.dumps(row) + "\n")
                shown = f"{rung:<15} {row['point']:>4}  {row['name']:<45} {row['seconds']:>6} s  {row['way']:<12}"
                print(json.dumps(row) if given.json else f"{shown} {row['result']}", flush=True)
    print(f"{total} kill points, {bad} differ", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
