"""What is published was written by the command, and agrees with what is in force."""

import json
from pathlib import Path

import pytest

from obra.calibration.chances import module_text
from obra.calibration.corpus import cases
from obra.calibration.page import page
from obra.judging.measured_chances import CHANCES

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def published():
    """The numbers behind docs/calibration.md."""
    return json.loads((ROOT / "docs" / "calibration.json").read_text())


def test_the_page_is_made_of_the_numbers(published):
    """Nobody has edited it."""
    assert (ROOT / "docs" / "calibration.md").read_text() == page(published, published["command"])


def test_the_chances_in_force_are_the_published_ones(published):
    """The module is what the command wrote beside the page."""
    assert (ROOT / "obra" / "judging" / "measured_chances.py").read_text() == module_text(published["chances"])
    assert json.loads(json.dumps(CHANCES)) == published["chances"]


def test_the_numbers_are_those_of_the_shipped_corpus(published):
    """As many attempts as there are, none lost; no reviewer's yes adds a false accept where checks are written."""
    assert published["corpus"]["attempts"] == len(list(cases(ROOT / "scenarios" / "corpus")))
    nobody, yes, yes_model, no = published["reviewers"]
    assert not any(one["lost"] for one in published["reviewers"])
    assert yes["with_checks"]["false_accepts"] == nobody["with_checks"]["false_accepts"]
    assert no["endings"]["completed"] == yes_model["endings"]["completed"] == 0
    assert nobody["with_checks"]["false_rejects"]["rate"] <= 0.05
    assert nobody["without_checks"]["completed"] == 0
