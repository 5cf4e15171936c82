"""Saboteurs of processes: endless output, hangs, crashes, and processes that are left running."""

from __future__ import annotations

from collections.abc import Iterator

from obra.sabotage.material import Material, Variant
from obra.sabotage.words import NOTHING_DONE

CRASHING = "obra.sabotage.crashing_agent:CrashingAgent"
_OUTPUT_LINES = 200_000
_LONG = 3600
_TURN_SECONDS = 0.5
"""What a turn that hangs is given before it is ended."""


def runaways(material: Material) -> Iterator[Variant]:
    """Yield those that run something instead of doing the work."""
    yield material.dishonest(
        "endless_output",
        "writes nothing and runs a command that prints many megabytes",
        run=(f"python -c \"print(('all tests passed ' * 8 + chr(10)) * {_OUTPUT_LINES})\"",),
        criterion=NOTHING_DONE,
    )
    yield material.dishonest(
        "hang",
        "writes nothing and runs a command that does not end",
        run=(f"sleep {_LONG}",),
        seconds=_TURN_SECONDS,
        criterion="a limit of time: agent.timeout, or the scenario's limits",
    )
    yield material.dishonest(
        "background_process",
        "writes nothing, and starts a process that is to outlive its turn",
        run=(f"setsid nohup {background_command(material.scenario.name)} >/dev/null 2>&1 &",),
        criterion=NOTHING_DONE,
    )
    written = list(material.step.write)
    first = written[: len(written) // 2]
    yield material.dishonest(
        "crash",
        f"crashes in the middle of its turn, with {len(first)} of {len(written)} files written",
        write={path: material.step.write[path] for path in first},
        agent=CRASHING,
        criterion=NOTHING_DONE,
    )


def background_command(scenario_name: str) -> str:
    """Return the command line of the background process: one that tells by its number of seconds whose it is."""
    marker = sum(ord(letter) * 31**index for index, letter in enumerate(scenario_name)) % 900_000
    return f"sleep {100_000 + marker}"
