"""Saboteurs of processes: endless output, hangs, crashes, and processes that are left running."""

from __future__ import annotations

from collections.abc import Iterator

from obra.sabotage.material import Material, Variant
from obra.sabotage.words import NOTHING_DONE

CRASHING = "obra.sabotage.crashing_agent:CrashingAgent"
_OUTPUT_LINES = 200_000
_DAY = 86_400
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
        run=(_sleep(material, "hang"),),
        seconds=_TURN_SECONDS,
        criterion="a limit of time: agent.timeout, or the scenario's limits",
    )
    yield material.dishonest(
        "background_process",
        "writes nothing, and starts a process that is to outlive its turn",
        run=(f"setsid nohup {_sleep(material, 'background_process')} >/dev/null 2>&1 &",),
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


def _sleep(material: Material, name: str) -> str:
    """Return a command that sleeps for a day or more; its number of seconds tells whose it is."""
    return f"sleep {_DAY + material.pick(name, 10 * _DAY)}"
