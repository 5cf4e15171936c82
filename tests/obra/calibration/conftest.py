"""A corpus of one task, small enough to be judged in a test."""

from __future__ import annotations

from pathlib import Path

import pytest

TASK = """\
name: double
task: {title: Write double.py, description: "double(n) returns twice n; it writes no tests"}
checks:
  - command: python -c "from double import double; assert double(2) == 4"
script:
  - say: Done.
    write: {double.py: "def double(n):\\n    return n + n\\n"}
expect:
  truth:
    - command: python -c "from double import double; assert [double(n) for n in (0, 3, -1)] == [0, 6, -2]"
"""
ATTEMPTS = """\
task: double
attempts:
  - {name: squares, label: bad, why: squares, say: Done., edit: {double.py: [{find: n + n, replace: n ** 2}]}}
  - {name: times_two, label: good, why: doubles, say: ok, write: {double.py: "def double(n):\\n  return 2 * n\\n"}}
  - {name: nothing, label: bad, why: something else, say: Done., base: workspace, write: {other.py: "x = 1\\n"}}
"""


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """The folder of the corpus."""
    folder = tmp_path / "corpus"
    (folder / "attempts").mkdir(parents=True)
    (folder / "double.yaml").write_text(TASK)
    (folder / "attempts" / "double.yaml").write_text(ATTEMPTS)
    return folder
