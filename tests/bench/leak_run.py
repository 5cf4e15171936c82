"""After many turns that ended in every way: is a process, thread, descriptor, socket or temporary folder left?

    python tests/bench/leak_run.py --turns 200

runs the cases of the contract over the mock agent, the command line that misbehaves, and the real Claude Code
(where there is one) over pipes, in a terminal and over SSH, all in this one process, round after round, until that
many prompts were sent, and compares what there is with what there was before. What each case leaves is compared,
too. The exit code is 1 when something is left.
"""

from __future__ import annotations

import argparse
import collections
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from obra.plugins import ContractCase
from obra.testing import check_case
from obra.testing.contract_table import cases_of, staged_here
from obra.testing.leftovers import Leftovers
from obra.testing.scene import Stage

ROWS = (
    "mock",
    "claude_code_local, misbehaving",
    "claude_code_local",
    "claude_code_local, terminal",
    "claude_code_ssh",
)


class CountingStage:
    """A stage whose agents count the prompts that they are sent."""

    def __init__(self, stage: Stage, sent: collections.Counter[str]) -> None:
        self._stage = stage
        self._sent = sent
        self.scene = stage.scene
        self.cases = cases_of(stage)

    def make_agent(self) -> Any:
        """Return a new agent."""
        agent: Any = self._stage.make_agent()
        send, sent = agent.send_prompt, self._sent

        def send_prompt(*args: Any, **given: Any) -> Any:
            sent["turns"] += 1
            return send(*args, **given)

        agent.send_prompt = send_prompt
        return agent


def cases(rows: dict[str, Stage]) -> Iterator[tuple[str, Stage, ContractCase]]:
    """Yield every case of every row, round after round, for ever."""
    while True:
        for name, stage in rows.items():
            for case in cases_of(stage):
                yield name, stage, case


def main() -> int:
    """Run and tell."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--turns", type=int, default=200)
    turns = parser.parse_args().turns
    found = staged_here()
    sent: collections.Counter[str] = collections.Counter()
    rows: dict[str, Stage] = {
        name: CountingStage(stage, sent) for name in ROWS if not isinstance(stage := found[name], str)
    }
    absent = [name for name in ROWS if name not in rows]
    ended: collections.Counter[str] = collections.Counter()
    before, begun = Leftovers.now(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="leak-run-") as folder:
        for number, (name, stage, case) in enumerate(cases(rows)):
            if sent["turns"] >= turns:
                break
            if not check_case(case, stage, workspace=Path(folder, str(number), "workspace")):
                ended[f"{name}: {case}"] += 1
                print(f"{sent['turns']}: {name}, {case}", file=sys.stderr)
    try:
        before.require_nothing_new()
        left = "nothing is left"
    except AssertionError as error:
        left = str(error)
    print(f"{sent['turns']} turns in {time.monotonic() - begun:.0f} s over {', '.join(rows)}")
    print(f"not here: {', '.join(absent) or 'none'}")
    for name, count in sorted(ended.items()):
        print(f"  {count} x {name}")
    print(left)
    return int(left != "nothing is left")


if __name__ == "__main__":
    sys.exit(main())
