"""Every claim about speed, measured: one command, one table, and JSON.

    python tests/bench/run.py                   100, 1,000 and 10,000 scenarios; takes the better part of an hour
    python tests/bench/run.py --sizes 100 1000  without the largest
    python tests/bench/run.py --quick           a few scenarios, to see that it works; its numbers mean nothing

Each number stands beside a baseline that ran in the same round, one after the other, in an order that alternates.
Costs are CPU seconds (user and system) of whole processes, since other work on the machine changes those least;
what is told of -n 2 is wall time, as it must be. ``docs/speed.md`` says how to read the table.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import measuring
from measuring import PLUGIN, Usage
from table import Line, line, printed

PARSE = """
import pathlib, sys, yaml
for file in sorted(pathlib.Path(sys.argv[1]).glob("*.obra.yaml")):
    yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
"""
WRITE = """
import json, pathlib, sys
rows = [json.loads(line) for line in pathlib.Path(sys.argv[1]).read_bytes().splitlines()]
folder = pathlib.Path(sys.argv[2])
from obra.reports.run_writer import RunWriter
if sys.argv[3] == "obra":
    writer = RunWriter(folder / "run")
    for row in rows:
        writer.add(row)
    writer.finish({}, not_run=(), exit_status=0, seconds=1.0)
elif sys.argv[3] == "json":
    with (folder / "rows.jsonl").open("w") as stream:
        for row in rows:
            stream.write(json.dumps(row) + "\\n")
"""
MEMORY = {1_000: 80.0, 10_000: 150.0}
"""MiB at most, by the number of scenarios."""


class Bench:
    """Measures in one temporary folder.

    Args:
        folder: for the projects.
        rounds: how often each pair is measured.
    """

    def __init__(self, folder: Path, rounds: int) -> None:
        self.folder = folder
        self.rounds = rounds
        self.empty = measuring.empty_project(folder / "empty")
        self._road: dict[int, list[float]] = {}

    def pairs(self, ours: Callable[[], Usage], baseline: Callable[[], Usage]) -> list[tuple[Usage, Usage]]:
        """Measure both in each round, in an order that alternates."""
        found = []
        for number in range(self.rounds):
            two = None if number % 2 else baseline()
            found.append((ours(), two or baseline()))
        return found

    def ratios(
        self,
        claim: str,
        ours: Callable[[], Usage],
        baseline: Callable[[], Usage],
        *,
        limit: float | None = None,
        wall: bool = False,
    ) -> Line:
        """Return the median ratio of two commands."""
        found = self.pairs(ours, baseline)
        took = [(one.wall, two.wall) if wall else (one.cpu, two.cpu) for one, two in found]
        return line(claim, 0, took, [one / two for one, two in took], "s", limit=limit)

    def start_up(self) -> Iterator[Line]:
        """Yield what loading the plugin and printing help cost."""
        collect = measuring.pytest("--collect-only")
        yield self.ratios(
            "plugin loaded, unused / pytest without",
            lambda: measuring.run([*collect, *PLUGIN], self.empty, exits=(5,)),
            lambda: measuring.run(collect, self.empty, exits=(5,)),
            limit=1.10,
        )
        yield self.ratios(
            "obra --help / python -c pass",
            lambda: measuring.run([*measuring.obra(), "--help"], self.empty),
            lambda: measuring.run([sys.executable, "-c", "pass"], self.empty),
            limit=8.0,
            wall=True,
        )

    def collection(self, size: int) -> Iterator[Line]:
        """Yield what collecting costs, beside parsing alone and beside pytest's own modules."""
        many = measuring.larger_scenarios(self.folder / f"collect-{size}", size)
        modules = measuring.plain_modules(self.folder / f"modules-{size}", size)
        collect = measuring.pytest("-q", "--collect-only")
        took, beside = [], []
        for _ in range(self.rounds):
            bare = measuring.run([sys.executable, "-c", "import pathlib, sys, yaml"], self.empty).cpu
            parsed = measuring.run([sys.executable, "-c", PARSE, str(many)], self.empty).cpu - bare
            start = measuring.run([*collect, *PLUGIN], self.one_scenario()).cpu
            collected = measuring.run([*collect, *PLUGIN], many).cpu - start
            plain_start = measuring.run(collect, self.empty, exits=(5,)).cpu
            plain = measuring.run(collect, modules).cpu - plain_start
            took.append((collected, parsed))
            beside.append((collected, plain))
        ratios = [one / two for one, two in took]
        yield line("collecting / parsing with the C loader", size, took, ratios, "s", limit=_for(size, 3.0))
        yield line(
            "collecting / as many modules of one test", size, beside, [one / two for one, two in beside], "s"
        )

    def one_scenario(self) -> Path:
        """Return a project with one scenario, whose cost is the start of all others."""
        folder = self.folder / "one"
        return folder if folder.exists() else measuring.scenarios(folder, 1)

    def road(self, size: int) -> Iterator[Line]:
        """Yield what the whole mock road costs above a plain test, in time and in memory."""
        many = measuring.scenarios(self.folder / f"road-{size}", size)
        plain = measuring.plain_tests(self.folder / f"plain-{size}", size)
        took, above, peaks = [], [], []
        for _ in range(self.rounds):
            start = measuring.run([*measuring.pytest(), *PLUGIN], self.one_scenario())
            plain_start = measuring.run([*measuring.pytest(), *PLUGIN], self.empty, exits=(5,))
            ours = measuring.run([*measuring.pytest(), *PLUGIN], many)
            beside = measuring.run([*measuring.pytest(), *PLUGIN], plain)
            each = 1000 * (ours.cpu - start.cpu) / max(size - 1, 1)
            each_plain = 1000 * (beside.cpu - plain_start.cpu) / size
            self._road.setdefault(size, []).append(ours.cpu - start.cpu)
            took.append((each, each_plain))
            above.append(each - each_plain)
            peaks.append((ours.peak, beside.peak))
        yield line("a mock scenario above a plain test", size, took, above, "ms", limit=_for(size, 5.0))
        most = MEMORY.get(size)
        yield line(
            "peak memory, MiB / the plain tests'", size, peaks, [one for one, _ in peaks], "MiB", limit=most
        )
        if size // 10 in self._road:
            less, more = (statistics.median(self._road[one]) for one in (size // 10, size))
            growth = more / less
            yield line(
                "the road with ten times as many scenarios", size, [(more, less)], [growth], "s", limit=11.0
            )
        yield self.writing(size, many)
        yield self.page(size, many)

    def writing(self, size: int, ran: Path) -> Line:
        """Return what writing a run's files costs, beside writing the same rows as bare JSON."""
        results = str(next((ran / "reports").glob("*/results.jsonl")))

        def write(how: str) -> Usage:
            with tempfile.TemporaryDirectory(dir=self.folder) as folder:
                return measuring.run([sys.executable, "-c", WRITE, results, folder, how], self.empty)

        took = []
        for _ in range(self.rounds):
            start = write("nothing").cpu
            took.append(tuple(1000 * (write(how).cpu - start) / size for how in ("obra", "json")))
        return line("writing a run's files, a scenario", size, took, [one for one, _ in took], "ms")

    def page(self, size: int, ran: Path) -> Line:
        """Return what one more scenario costs ``obra report``, beside reading its row."""

        def made_and_read(project: Path) -> tuple[float, float]:
            results = next((project / "reports").glob("*/results.jsonl"))
            report = [str(Path(sys.executable).with_name("obra")), "report", str(results.parent)]
            made = measuring.run([*report, "--out", str(self.folder / "page.html")], self.empty)
            read = [sys.executable, "-c", WRITE, str(results), str(self.folder), "nothing"]
            return made.cpu, measuring.run(read, self.empty).cpu

        took = []
        for _ in range(self.rounds):
            both = zip(made_and_read(ran), made_and_read(self.one_scenario()), strict=True)
            took.append(tuple(1000 * (many - one) / max(size - 1, 1) for many, one in both))
        values = [made for made, _ in took]
        return line("obra report, a scenario", size, took, values, "ms", limit=_for(size, 4.0))

    def workers(self, size: int) -> Iterator[Line]:
        """Yield how much faster two workers are than one process, with short scenarios, longer ones, and none."""
        yield from self.two_workers("file check", size, measuring.scenarios, limit=1.6)
        with_command = partial(measuring.scenarios, check=measuring.COMMAND)
        yield from self.two_workers("command check", size, with_command, limit=1.6)
        yield from self.two_workers("hello_world", size, measuring.larger_scenarios, limit=1.6)
        yield from self.two_workers("tests that do nothing", size, measuring.plain_tests)

    def two_workers(
        self, kind: str, size: int, make: Callable[[Path, int], Path], *, limit: float | None = None
    ) -> Iterator[Line]:
        """Yield the gain for what *make* makes, and the most that two processes can gain with it.

        That most is two runs at once, each of half of the tests, that have nothing in common.
        """
        folder = self.folder / f"workers {kind}"
        whole = make(folder / "whole" / "project", size)
        halves = [make(folder / side / "project", size // 2) for side in ("left", "right")]
        alone = [*measuring.pytest(), *PLUGIN]
        commands: dict[str, Callable[[], float]] = {
            "one": lambda: measuring.run(alone, whole).wall,
            "-n 2": lambda: measuring.run([*alone, "-p", "xdist.plugin", "-n", "2"], whole).wall,
            "two with half each": lambda: measuring.at_once(alone, halves),
        }
        rounds = []
        for number in range(self.rounds):
            order = sorted(commands, reverse=bool(number % 2))
            rounds.append({name: commands[name]() for name in order})
        for name, least in (("-n 2", limit), ("two with half each", None)):
            took = [(walls[name], walls["one"]) for walls in rounds]
            gained = [one / two for two, one in took]
            yield line(f"{kind}: one process / {name}, wall", size, took, gained, "s", limit=least, at_least=True)


def _for(size: int, limit: float) -> float | None:
    """Return the limit where it is promised: with few scenarios, only the start would be measured."""
    return limit if size >= min(MEMORY) else None


def measured(bench: Bench, sizes: list[int], workers: int) -> Iterator[Line]:
    """Yield every line of the table as it is found."""
    yield from bench.start_up()
    for size in sizes:
        yield from bench.collection(size)
    for size in sizes:
        yield from bench.road(size)
    yield from bench.workers(workers)


def main() -> int:
    """Measure, print the table, write JSON; return 1 when a limit does not hold (never with --quick)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", type=int, default=[100, 1_000, 10_000], metavar="N")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round with 10 scenarios")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here, too")
    given = parser.parse_args()
    if given.quick:
        given.sizes, given.rounds = [10], 1
    about = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
    }
    print(f"| what | scenarios | ours | beside | value | from, to | limit | holds |\n{'|---' * 8}|")
    lines = []
    with tempfile.TemporaryDirectory(prefix="obra-bench-") as folder:
        for found in measured(Bench(Path(folder), given.rounds), given.sizes, 10 if given.quick else 1_000):
            lines.append(found)
            print(printed(found), flush=True)
    about["load_after"] = os.getloadavg()[0]
    print(
        f"\n{about['at']}, Python {about['python']}, {about['cores']} cores, load average "
        f"{about['load_before']:.1f} before, {about['load_after']:.1f} after; medians of {given.rounds} round(s)"
    )
    if given.json:
        data = {**about, "rounds": given.rounds, "lines": [{**asdict(one), "holds": one.holds} for one in lines]}
        given.json.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    return int(not given.quick and any(one.holds is False for one in lines))


if __name__ == "__main__":
    sys.exit(main())
