"""The leak run of tests/bench, with few turns."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parent / "bench" / "leak_run.py"


def test_nothing_is_left_after_turns_that_ended_in_many_ways():
    """One process, many endings; in the end there is nothing that was not there before."""
    done = subprocess.run(
        [sys.executable, str(BENCH), "--turns", "24"],
        env={name: value for name, value in os.environ.items() if not name.startswith("OBRA_")},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing is left" in done.stdout
