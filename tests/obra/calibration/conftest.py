"""A corpus of one task, small enough to be judged in a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from obra.calibration.corpus import Origin, cases
from obra.calibration.measurement import SCRIPTED, measure
from obra.calibration.trial import Judged
from obra.config import Config

TASK = """\
name: doubling
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
task: doubling
attempts:
  - {name: squares, label: bad, why: squares, say: Done., edit: {double.py: [{find: n + n, replace: n ** 2}]}}
  - {name: times_two, label: good, why: doubles, say: ok, write: {double.py: "def double(n):\\n  return 2 * n\\n"}}
  - {name: nothing, label: bad, why: something else, say: Done., base: workspace, write: {other.py: "x = 1\\n"}}
"""


def write_corpus(folder: Path) -> Path:
    """Write task and attempts into *folder* and return it."""
    (folder / "attempts").mkdir(parents=True)
    (folder / "double.yaml").write_text(TASK)
    (folder / "attempts" / "double.yaml").write_text(ATTEMPTS)
    return folder


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """The folder of the corpus, for one test."""
    return write_corpus(tmp_path / "corpus")


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Judged, ...]:
    """What all scripted reviewers make of all attempts that nobody derived."""
    found = cases(write_corpus(tmp_path_factory.mktemp("judged") / "corpus"))
    return measure([case for case in found if case.origin is not Origin.DERIVED], Config(), SCRIPTED)
