"""The hand-made reports of the reports room, for those who show them."""

import runpy
from pathlib import Path

import pytest

CASES = Path(__file__).parents[2] / "obra" / "reports" / "conftest.py"
_made = runpy.run_path(str(CASES))


@pytest.fixture
def cases():
    """Return the path of the file that builds reports, for tests in other processes."""
    return CASES


@pytest.fixture
def make_report():
    """Return the function that builds a failed report."""
    return _made["report"]


@pytest.fixture
def make_passing_report():
    """Return the function that builds a passed report."""
    return _made["passing_report"]


@pytest.fixture
def make_attempt():
    """Return the function that builds an attempt."""
    return _made["attempt"]


@pytest.fixture
def make_check():
    """Return the function that builds a check."""
    return _made["check"]
