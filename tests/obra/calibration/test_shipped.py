"""What is published was written by the command, and agrees with what is in force."""

import json
from pathlib import Path

import pytest

from obra.calibration.chances import module_text
from obra.calibration.corpus import by_hand, cases
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
    nobody, yes, yes_model, sly, no, knowing = published["reviewers"]
    assert not any(one["lost"] for one in published["reviewers"])
    assert yes["with_checks"]["false_accepts"] == nobody["with_checks"]["false_accepts"]
    assert no["endings"]["completed"] == yes_model["endings"]["completed"] == 0
    assert nobody["with_checks"]["false_rejects"]["rate"] <= 0.05
    assert nobody["with_checks"]["false_accepts"]["rate"] <= 0.01
    assert nobody["with_checks"]["quality_auc"] >= 0.97
    for hostile in (yes, yes_model, sly, no):
        assert hostile["without_checks"]["completed"] == 0
        assert hostile["with_checks"]["false_accepts"]["count"] <= nobody["with_checks"]["false_accepts"]["count"]
    assert knowing["without_checks"]["false_accepts"]["count"] == 0
    assert knowing["without_checks"]["false_rejects"]["rate"] <= 0.05
    assert nobody["without_checks"]["completed"] == 0


def test_the_held_back_corpus_is_measured_as_it_is(published):
    """All its attempts, and a hostile reviewer adds no false accept there either."""
    held_back = published["held_back"]
    assert held_back["corpus"]["attempts"] == len(list(by_hand(cases(ROOT / "scenarios" / "held-back"))))
    nobody, *others, _ = held_back["reviewers"]
    for hostile in others:
        for key in ("with_checks", "without_checks"):
            assert hostile[key]["false_accepts"]["count"] <= nobody[key]["false_accepts"]["count"]
