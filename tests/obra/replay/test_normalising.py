"""What is left of a request when the machine, the day and the person are taken away."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from obra.replay.normalising import Place, difference, normalised, place_of
from obra.replay.redacting import joined_deltas

PATHS = {"/srv/eve/job": "{WORKSPACE}", "/srv/eve": "{HOME}"}


def messages(*said: tuple[str, object]) -> dict:
    """A request in Anthropic's form."""
    return {"messages": [{"role": role, "content": content} for role, content in said], "tools": [{}]}


def test_only_what_is_new_since_the_model_spoke_counts():
    """The place is the number of the model's messages and the texts after the last one; reminders are dropped."""
    asked = [
        {
            "type": "text",
            "text": "<system-reminder>Today is Monday</system-reminder>\nGo on.",
            "cache_control": {},
        },
        {"type": "tool_result", "tool_use_id": "x", "content": [{"type": "text", "text": "in /srv/eve/job/a"}]},
    ]
    request = messages(("user", "first"), ("assistant", "answer"), ("system", "date"), ("user", asked))
    place = place_of(request, lane=3, paths=PATHS)
    assert (place.lane, place.turn, place.tools) == (3, 1, True)
    assert place.new == ("Go on.", "in {WORKSPACE}/a")


def test_the_other_dialects_are_read_too():
    """OpenAI's input items and Gemini's contents give the same place."""
    responses = {
        "input": [
            {"role": "developer", "content": "rules"},
            {"role": "user", "content": [{"type": "input_text", "text": "go"}]},
            {"type": "function_call", "name": "shell", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "1", "output": "done"},
        ],
        "tools": [{}],
    }
    gemini = {
        "contents": [
            {"role": "user", "parts": [{"text": "go"}]},
            {"role": "model", "parts": [{"functionCall": {}}]},
            {"role": "user", "parts": [{"text": "done"}]},
        ],
        "tools": [{}],
    }
    for request in (responses, gemini):
        place = place_of(request, lane=1, paths={})
        assert (place.turn, place.new) == (1, ("done",))


def test_what_changes_from_run_to_run_is_no_difference():
    """Times, dates, ids, addresses, ports and temporary folders are replaced by words."""
    one = "1 passed in 0.03s at 2026-11-22T15:31:30Z 0x7f12ab34cd http://127.0.0.1:4711 /tmp/obra-claude-x1/a"
    two = "1 passed in 1.25s at 2027-01-02 03:04 0x7fffffffff http://127.0.0.1:9 /tmp/obra-claude-zz/a"
    assert normalised(one, {}) == normalised(two, {})
    assert normalised("Sun Nov 22 15:31:30 UTC 2026", {}) == "{DATE}"
    assert normalised("== 3 passed in 0.1s ==", {}) == normalised("======= 3 passed in 12.34s =======", {})
    assert normalised("2 passed", {}) != normalised("3 passed", {})


@given(st.lists(st.text(alphabet="ab/k", max_size=5), max_size=12), st.sampled_from(["/a/b", "kk", "b"]))
def test_no_secret_stays_spread_over_two_pieces(pieces: list[str], secret: str):
    """Whatever the cuts, the whole stays the same and each occurrence stands in one piece."""
    joined = joined_deltas(pieces, [secret])
    assert "".join(joined) == "".join(pieces)
    assert len(joined) == len(pieces)
    assert secret not in "".join(piece.replace(secret, "\0") for piece in joined) or _overlaps(secret)
    assert "".join(joined).count(secret) == sum(piece.count(secret) for piece in joined)


def _overlaps(secret: str) -> bool:
    return secret == "kk"


def test_a_difference_is_short_and_never_empty():
    """Long differences are cut, and equal texts at another place say so."""
    one = Place(lane=1, turn=0, new=("\n".join(map(str, range(500))),), tools=True)
    two = Place(lane=1, turn=1, new=("\n".join(map(str, range(1000, 1500))),), tools=True)
    assert len(difference(two, one).splitlines()) < 70
    assert "more lines" in difference(two, one)
    assert "the place in the conversation differs" in difference(one, one)
