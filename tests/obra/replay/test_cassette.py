"""The file of a cassette: what was cut off, edited or cannot be written is told with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from obra.errors import ObraError
from obra.replay.cassette import Cassette, Exchange
from obra.replay.normalising import Place

AGAIN = "record it anew with 'obra record'"


@pytest.fixture
def lines(tmp_path: Path) -> list[str]:
    """The lines of a cassette of one exchange, whose answer has two pieces."""
    pieces = [{"at": 0.0, "text": "one"}, {"at": 0.5, "text": "two"}]
    said = Exchange(place=Place(lane=1, turn=0, new=("hi",), tools=True), path="/", pieces=pieces)
    Cassette(exchanges=[said]).save(tmp_path / "whole.jsonl")
    return (tmp_path / "whole.jsonl").read_text().splitlines(keepends=True)


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        (0, "is empty"),
        (2, "breaks off: 1 more line(s) were to come"),
        (3, "breaks off: 2 more line(s) were to come"),
        (4, "breaks off: 1 more line(s) were to come"),
    ],
)
def test_a_file_that_was_cut_off_is_never_played(lines, tmp_path, kept, why):
    """Behind no line of an exchange, the one with its question neither, which would have an empty answer then."""
    assert len(Cassette.load(tmp_path / "whole.jsonl").exchanges) == 1
    path = tmp_path / "a.jsonl"
    path.write_text("".join(lines[:kept]))
    with pytest.raises(ObraError) as told:
        Cassette.load(path)
    assert str(told.value) == f"{path} {why}; {AGAIN}"


def test_a_question_that_was_edited_is_told(lines, tmp_path):
    """It is found by a key that is made from its words."""
    path = tmp_path / "a.jsonl"
    path.write_text("".join(lines).replace('"hi"', '"hello"'))
    with pytest.raises(
        ObraError, match=r"a\.jsonl:2: .*'new' was changed and does not fit 'key'\); record it anew"
    ):
        Cassette.load(path)


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    """A file stands where its folder should be, and stays."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ObraError, match=r"file/a\.jsonl cannot be written: .*; make its folder writable$"):
        Cassette().save(tmp_path / "file/a.jsonl")
    assert (tmp_path / "file").read_text() == "mine"
