"""What answers a request of a run that was interrupted, and goes on in a new conversation."""

from __future__ import annotations

import pytest

from obra.replay.cassette import Cassette, Exchange
from obra.replay.normalising import Place
from obra.replay.player import CassetteMiss, Player


def place(turn: int, *new: str, lane: int = 1, tools: bool = True) -> Place:
    """A place in a conversation."""
    return Place(lane=lane, turn=turn, new=new, tools=tools)


def player(*, resumed: bool) -> Player:
    """A player of one conversation with two prompts, and a title asked for beside it."""
    places = [place(0, "one"), place(1, "done"), place(2, "two"), place(3, "done"), place(0, "t", tools=False)]
    exchanges = [Exchange(place=at, path="/", line=number) for number, at in enumerate(places)]
    return Player(Cassette(about={}, exchanges=exchanges), "c", again="again", names={}, resumed=resumed)


def test_the_first_prompt_of_the_new_conversation_tells_where_it_stands():
    """From there on it is followed in the recording; what the process that died had asked for is not missed."""
    playing = player(resumed=True)
    assert playing.find(place(0, "two")).line == 2
    assert playing.find(place(1, "done")).line == 3
    assert playing.find(place(0, "t", tools=False)).line == 4
    assert playing.rest() == ""


def test_a_prompt_that_was_never_recorded_is_missed_all_the_same():
    """Only the place is free, and only for a run that was interrupted."""
    with pytest.raises(CassetteMiss):
        player(resumed=True).find(place(0, "three"))
    with pytest.raises(CassetteMiss):
        player(resumed=False).find(place(0, "two"))
    assert "were not asked for" in player(resumed=False).rest()


def test_a_run_that_was_broken_off_in_its_first_turn_begins_at_the_beginning():
    """Its first prompt stands where it stood."""
    playing = player(resumed=True)
    assert [playing.find(place(at, what)).line for at, what in ((0, "one"), (1, "done"), (2, "two"))] == [0, 1, 2]
