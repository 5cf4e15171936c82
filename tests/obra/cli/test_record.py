"""obra record: a server stands for the real model, the real Claude Code works, and what was said is kept."""

from __future__ import annotations

import json

import pytest

from obra.domain import ScriptStep
from obra.replay.model_server import ModelServer
from obra.statistics.exit_codes import RunExit

GREETING = """\
name: greeting
task: {title: Say hello}
checks: [{file: hello.txt}]
reviewer: [{score: 95}]
expect:
  truth: [{contains: {file: hello.txt, text: hello}}]
"""
STEPS = [ScriptStep(say="Done.", write={"hello.txt": "hello\n"})]


@pytest.fixture
def upstream(tmp_path):
    """A model at an address of its own. The first scenario is worked on in a folder whose name is known."""
    with ModelServer(STEPS, workspace=tmp_path / ".obra/workspaces/greeting-1") as server:
        yield server


def test_the_model_at_an_address_is_recorded_and_played_back_without_it(obra, write, claude, upstream, tmp_path):
    """The work is done, the cassette stands where it was asked for, and it plays when the model is gone."""
    write("greeting.obra.yaml", GREETING)
    found = {"OBRA__AGENT__LOCAL__COMMAND": claude, "OBRA__AGENT__LOCAL__API_KEY": "sk-ant-hers-and-nobody-elses"}
    recorded = obra("record", "greeting.obra.yaml", "--upstream", upstream.base_url, "--out", "tapes", **found)
    assert recorded.code == 0, recorded.out + recorded.err
    tape = tmp_path / "tapes/greeting.claude_code_local.jsonl"
    assert "scenario greeting passed" in recorded.out
    assert f"cassette {tape.relative_to(tmp_path)}" in recorded.out
    assert upstream.requests > 0
    text = tape.read_text()
    about = json.loads(text.partition("\n")[0])
    assert (about["scenario"], about["against"]) == ("greeting", "a model at another address")
    for secret in ("sk-ant-hers", str(tmp_path), upstream.base_url):
        assert secret not in text
    upstream.close()
    played = obra("run", "--agent", "cassette", "greeting.obra.yaml", "-o", "replay.cassettes=tapes", **found)
    assert played.code == 0, played.out + played.err
    assert (tmp_path / ".obra/workspaces/greeting-2/hello.txt").read_text() == "hello\n"
    changed = GREETING.replace("Say hello", "Say goodbye")
    write("greeting.obra.yaml", changed)
    missed = obra("run", "--agent", "cassette", "greeting.obra.yaml", "-o", "replay.cassettes=tapes", **found)
    assert missed.code == RunExit.MACHINERY_BROKE
    for words in (
        "tapes/greeting.claude_code_local.jsonl:2 ",
        "\n-Say hello\n+Say goodbye\n",
        "obra record --out tapes greeting.obra.yaml",
    ):
        assert words in missed.err


def test_no_model_no_cassette(obra, write, claude, tmp_path):
    """Where nobody listens nothing is written over what was there, and the exit code says that it went wrong."""
    write("greeting.obra.yaml", GREETING)
    tape = tmp_path / "cassettes/greeting.claude_code_local.jsonl"
    tape.parent.mkdir()
    tape.write_text("what was there")
    ended = obra(
        "record", "greeting.obra.yaml", "--upstream", "http://127.0.0.1:9", "-o", "agent.max_retries=0",
        OBRA__AGENT__LOCAL__COMMAND=claude, OBRA__AGENT__LOCAL__API_KEY="no-key",
        OBRA__AGENT__TIMEOUT="60",
    )  # fmt: skip
    assert ended.code != 0
    assert tape.read_text() == "what was there"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing argument 'SCENARIO...'"),
        (
            ("a.yaml", "--agent", "mock"),
            "--agent mock cannot be recorded; there are claude_code_local, acp, codex",
        ),
        (("a.yaml", "--agent", "replay", "--upstream", "http://x"), "leave out --upstream"),
        (("several.obra.yaml", "--agent", "replay"), "several has several tasks, and a cassette is of one"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(obra, write, arguments, message):
    """Wrong usage is exit code 2 and one line."""
    write(
        "several.obra.yaml",
        "name: several\ntasks:\n  - {name: a, task: {title: a}}\n  - {name: b, task: {title: b}}\n",
    )
    ended = obra("record", *arguments)
    assert ended.code == 2  # click's own number
    assert message in ended.err
