"""What a turn through our adapter costs beside the bare binary, and three attempts beside three separate runs.

    python tests/bench/turn_cost.py --pairs 15 --json turn_cost.json

Both speak to our loopback model server, which answers with words alone and runs in a process of its own, so that
it takes no time from either. Environment and flags are the same. The runs are paired and alternate, so that a busy
machine slows both; the interval of a median of ratios is a bootstrap's (2,000 resamples, 95 %).

* live: the same prompt into a session that lives; bare: the binary in the same mode over two pipes, read line by
  line by a few lines of Python until its result; ours: ``send_prompt``. The CPU time is that of our own process.
* attempts: three prompts in one session of ours, from ``initialize`` to ``cleanup``; bare: three ``claude -p``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from obra.agents.claude_code import ClaudeCodeSettings, Launch, command_line, environment_of, prompt_line
from obra.agents.claude_code_control import initialize_line
from obra.agents.claude_code_local import ClaudeCodeLocalAgent
from obra.domain import ScriptStep
from obra.replay.dialects import settings_for
from obra.replay.model_server import ModelServer
from obra.testing.contract_table import KNOWN
from obra.workspace.processes import clean_environment

RESAMPLES = 2_000
LIVE_MOST, ATTEMPTS_MOST = 1.25, 0.5


def median_ratio(pairs: list[tuple[float, float]]) -> dict[str, float]:
    """Return the median of ours / bare with a 95 % bootstrap interval, and both medians in seconds."""
    ratios = [ours / bare for ours, bare in pairs]
    chance = random.Random(7)
    medians = sorted(statistics.median(chance.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES))
    return {
        "pairs": len(pairs),
        "ours_seconds": statistics.median(ours for ours, _ in pairs),
        "bare_seconds": statistics.median(bare for _, bare in pairs),
        "ratio": statistics.median(ratios),
        "low": medians[int(0.025 * RESAMPLES)],
        "high": medians[int(0.975 * RESAMPLES) - 1],
    }


def timed(work: Callable[[], Any]) -> float:
    """Return how many seconds *work* takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


@contextmanager
def server_elsewhere() -> Iterator[Any]:
    """Run the model's server in another process; gives what has its ``base_url``."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, __file__, "--serve"], stdin=pipe, stdout=pipe) as process:
        yield SimpleNamespace(base_url=process.stdout.readline().decode().strip())
        process.stdin.close()


def serve() -> int:
    """Be that process: tell the address, and serve until nobody wants it any more."""
    script = [ScriptStep(say="Done.")] * 5_000
    with tempfile.TemporaryDirectory() as name, ModelServer(script, workspace=Path(name)) as server:
        print(server.base_url, flush=True)
        sys.stdin.read()
    return 0


class Bare:
    """The binary without us: one process, or one for each prompt."""

    def __init__(self, program: str, server: Any, folder: Path) -> None:
        self.workspace = folder / "bare"
        self.workspace.mkdir()
        given = {
            "workspace_dir": str(self.workspace),
            "command": program,
            **settings_for("claude_code_local", server),
        }
        self.settings = ClaudeCodeSettings.read(given)
        home = folder / "bare-home"
        self.environment = clean_environment(home, environment_of(self.settings, str(home), {}))
        self.command = command_line(self.settings, Launch(max_turns=50), executable=program)
        self.process: subprocess.Popen[bytes] | None = None

    def turn(self) -> None:
        """Send a prompt into the live process, and read to the result."""
        if self.process is None:
            pipe = subprocess.PIPE
            self.process = subprocess.Popen(
                self.command, cwd=self.workspace, env=self.environment, stdin=pipe, stdout=pipe
            )
            self.process.stdin.write(initialize_line())
        self.process.stdin.write(prompt_line("go on"))
        self.process.stdin.flush()
        while json.loads(self.process.stdout.readline()).get("type") != "result":
            continue

    def close(self) -> None:
        """End the live process."""
        if self.process is not None:
            self.process.stdin.close()
            self.process.stdout.read()
            self.process.wait(10)
            self.process.stdout.close()

    def print_run(self) -> None:
        """Run ``claude -p`` once, as a script would."""
        arguments = ["-p", "go on", "--output-format=stream-json", "--verbose", "--setting-sources="]
        command = [self.settings.command, *arguments]
        subprocess.run(
            command,
            cwd=self.workspace,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        )


def measure(program: str, pairs: int, attempts: int) -> dict[str, dict[str, float]]:
    """Return both comparisons."""
    with (
        tempfile.TemporaryDirectory(prefix="turn-cost-", ignore_cleanup_errors=True) as name,
        server_elsewhere() as server,
    ):
        folder = Path(name)
        bare = Bare(program, server, folder)
        agent = ClaudeCodeLocalAgent()
        given = {
            "workspace_dir": str(folder / "ours"),
            "command": program,
            **settings_for("claude_code_local", server),
        }

        def three() -> None:
            one = ClaudeCodeLocalAgent()
            one.initialize(given)
            for _ in range(3):
                one.send_prompt("go on")
            one.cleanup()

        try:
            agent.initialize(given)
            for _ in range(3):  # the first turn starts the process, the next ones warm it up
                agent.send_prompt("go on")
                bare.turn()
            live, own_seconds = [], []

            def ours() -> None:
                begun = time.process_time()
                agent.send_prompt("go on")
                own_seconds.append(time.process_time() - begun)

            for number in range(pairs):
                works = [ours, bare.turn]
                order = (0, 1) if number % 2 else (1, 0)
                took = {which: timed(works[which]) for which in order}
                live.append((took[0], took[1]))
        finally:
            agent.cleanup()
            bare.close()
        whole = [(timed(three), timed(lambda: [bare.print_run() for _ in range(3)])) for _ in range(attempts)]
    found = {"live turn": median_ratio(live), "three attempts": median_ratio(whole)}
    found["live turn"]["own_cpu_seconds"] = statistics.median(own_seconds)
    return found


def main() -> int:
    """Measure, print a table, and return 1 when a limit does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--attempts", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        return serve()
    program = next(known for known in KNOWN if known.kind == "claude_code_local").find()
    if program is None:
        print("no Claude Code here: name its path in OBRA__AGENT__LOCAL__COMMAND", file=sys.stderr)
        return 2
    found = measure(program, given.pairs, given.attempts)
    most = {"live turn": LIVE_MOST, "three attempts": ATTEMPTS_MOST}
    print("| what | pairs | ours, s | bare, s | ours / bare | 95 % | at most | holds |")
    print("|---|---|---|---|---|---|---|---|")
    for name, one in found.items():
        cells = (
            f"{one['pairs']}",
            f"{one['ours_seconds']:.3f}",
            f"{one['bare_seconds']:.3f}",
            f"{one['ratio']:.2f}",
        )
        interval = f"{one['low']:.2f} to {one['high']:.2f}"
        holds = "yes" if one["ratio"] <= most[name] else "NO"
        print(f"| {name} | {' | '.join(cells)} | {interval} | {most[name]} | {holds} |")
    print(f"our own CPU time in a live turn: {1000 * found['live turn']['own_cpu_seconds']:.1f} ms")
    print(f"load average: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return int(any(one["ratio"] > most[name] for name, one in found.items()))


if __name__ == "__main__":
    sys.exit(main())
