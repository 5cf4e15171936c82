"""Between an agent and a cassette: what was not recorded is an error, what was not asked for a warning."""

from __future__ import annotations

import warnings
from pathlib import Path

import httpx
import pytest

from obra import ClaudeCodeSSHAgent, Config, MockAgent
from obra.domain import Fault, ModelFault
from obra.errors import AgentCrashed, AgentUnavailable, ConfigError
from obra.replay.cassette import Cassette, Exchange
from obra.replay.model_doors import OWN_SCRIPT, Rehearsal, Tape, opened
from obra.replay.normalising import Place


@pytest.fixture
def tape(tmp_path: Path) -> Tape:
    """A recording of two questions."""
    said = [
        Exchange(place=Place(lane=1, turn=0, new=(text,), tools=True), path="/", pieces=[{"at": 0.0, "body": {}}])
        for text in ("one", "two\nlines")
    ]
    found = Tape(
        file=tmp_path / "cassettes" / "s.x.jsonl", title="s", scenario=tmp_path / "a folder" / "s.obra.yaml"
    )
    Cassette(exchanges=said, about={"against": OWN_SCRIPT}).save(found.file)
    return found


@pytest.fixture
def play(tape: Tape, tmp_path: Path):
    """Return a function that opens the door; the context gives one that asks it something and tells the status."""
    config = Config()
    config.set("agent.type", "claude_code_local")
    config.set("replay.mode", "cassette")

    def door():
        return opened(config.settings, {}, Rehearsal(tape=tape), tmp_path, agent=MockAgent())

    return door


def ask(given, *texts: str) -> list[int]:
    """Ask questions, all at the beginning of a conversation; return the status of each answer."""
    bodies = [{"messages": [{"role": "user", "content": text}], "tools": [{}]} for text in texts]
    return [httpx.post(f"{given['base_url']}/v1/messages", json=body).status_code for body in bodies]


def test_all_of_it_is_played_without_a_word(play):
    """Every question is answered, and nobody is told of anything."""
    with warnings.catch_warnings(), play() as given:
        warnings.simplefilter("error")
        assert ask(given, "two\nlines", "one", "one") == [200, 200, 200]


def test_the_rest_that_nobody_asked_for_is_told(play, tape):
    """How much it is, where it begins in the file, and how to record it anew."""
    with pytest.warns(UserWarning, match="1 of 2 exchanges") as told, play() as given:
        ask(given, "one")
    (warning,) = told
    for words in (f"{tape.file}:5 ", "begins 'two'", "obra record --agent replay --out "):
        assert words in str(warning.message)


def test_a_question_that_was_not_recorded_is_an_error_even_when_the_agent_goes_on(play, tape):
    """The agent's work says nothing any more: it was done without its model."""
    with pytest.raises(AgentUnavailable, match=r"-one\n\+three\n") as caught, play() as given:
        assert ask(given, "three", "one") == [403, 200]
    assert f"{tape.file}:2 " in str(caught.value)


def test_it_is_the_reason_for_a_turn_that_failed(play):
    """Whatever the agent made of it; a failure of its own stays what it is."""

    def fail(*texts: str) -> None:
        with play() as given:
            ask(given, *texts)
            raise AgentCrashed("it says something else")

    with pytest.raises(AgentUnavailable, match="no answer to what is asked now"):
        fail("three")
    with pytest.raises(AgentCrashed, match="something else"):
        fail("one")


def test_the_command_that_records_it_anew_is_the_one_it_was_recorded_with(tape, tmp_path, monkeypatch):
    """The model or the script, the agent and the folder are named where they are not the usual ones."""
    monkeypatch.chdir(tmp_path)
    usual = Tape(file=tmp_path / "a folder/cassettes/s.x.jsonl", title="s", scenario=tape.scenario)
    assert usual.again("claude_code_local", "") == "obra record 'a folder/s.obra.yaml'"
    assert usual.again("codex", "") == "obra record --agent codex 'a folder/s.obra.yaml'"
    assert tape.again("claude_code_local", OWN_SCRIPT) == (
        "obra record --agent replay --out cassettes 'a folder/s.obra.yaml'"
    )
    assert "--agent replay:codex" in tape.again("codex", OWN_SCRIPT)


@pytest.mark.parametrize(
    ("body", "why"), [(b"{", "the request is not JSON: "), (b"[]", "the request is not a JSON object")]
)
def test_a_question_that_is_none_is_told(play, body, why):
    """Whatever knocks there, it is no agent that speaks to its model."""
    with pytest.raises(AgentUnavailable, match=why), play() as given:
        assert httpx.post(f"{given['base_url']}/v1/messages", content=body).status_code == 403


def test_what_does_not_go_together_is_refused_before_the_agent_is_asked(tape, tmp_path):
    """Faults for an agent that has its own model, and a cassette for one that works on another machine."""
    config = Config()
    config.set("agent.type", "claude_code_local")
    faults = Rehearsal(faults=(Fault(kind=ModelFault.RATE_LIMITED),))
    with (
        pytest.raises(
            ConfigError, match=r"'claude_code_local' has its own model; run it with --obra-agent=replay$"
        ),
        opened(config.settings, {}, faults, tmp_path, agent=MockAgent()),
    ):
        pass
    config.set("agent.type", "claude_code_ssh")
    config.set("replay.mode", "cassette")
    with (
        pytest.raises(ConfigError, match=r"'claude_code_ssh' works on another one; use replay\.mode script \("),
        opened(config.settings, {}, Rehearsal(tape=tape), tmp_path, agent=ClaudeCodeSSHAgent()),
    ):
        pass
