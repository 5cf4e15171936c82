"""Recording at the model's door with the real Claude Code, and playing back with the model gone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from obra.agents.claude_code_local import ClaudeCodeLocalAgent
from obra.domain import Fault, ModelFault, Reply, ScriptStep
from obra.errors import AgentUnavailable
from obra.replay.cassette import Cassette
from obra.replay.cassette_server import CassetteServer
from obra.replay.model_server import ModelServer
from obra.replay.recorder import Recorder

KEY = "sk-ant-very-secret-0123456789"
STEPS = (
    ScriptStep(
        say="First is done.",
        write={"a b'c.py": "print('hällo')\n"},
        run=("pwd; date; python -c 'import time; print(time.time(), \"s\")'",),
    ),
    ScriptStep(say="Second is done.", edit={"a b'c.py": ("hällo", "bye")}),
)


def turns(claude: str, base_url: str, workspace: Path, *prompts: str) -> list[Reply]:
    """Run prompts with the real binary, its model at *base_url*."""
    workspace.mkdir(exist_ok=True)
    agent = ClaudeCodeLocalAgent()
    agent.initialize({"command": claude, "workspace_dir": workspace, "base_url": base_url, "api_key": KEY})
    try:
        return [agent.send_prompt(prompt) for prompt in prompts]
    finally:
        agent.cleanup()


def played(path: Path, workspace: Path, **how: Any) -> CassetteServer:
    """A server, not open yet, that plays a file."""
    return CassetteServer(Cassette.load(path), path.name, workspace=workspace, again="obra record two", **how)


@pytest.fixture
def tape(claude: str, tmp_path: Path) -> Path:
    """A cassette of two turns, recorded against a scripted model that stands for the real one."""
    path, workspace = tmp_path / "cassettes" / "two.jsonl", tmp_path / "at-home" / "first"
    workspace.mkdir(parents=True)
    fault = Fault(kind=ModelFault.RATE_LIMITED, prompt=2)
    with (
        ModelServer(STEPS, workspace=workspace, tokens=(100, 10), faults=[fault]) as upstream,
        Recorder(upstream.base_url, workspace=workspace, cassette=path, about={"scenario": "two"}) as recorder,
    ):
        replies = turns(claude, recorder.base_url, workspace, "Do one.", "Do two.")
        assert recorder.error == ""
    assert [reply.text for reply in replies] == ["First is done.", "Second is done."]
    assert (workspace / "a b'c.py").read_text() == "print('bye')\n"
    return path


def test_what_was_recorded_plays_without_the_model_in_another_place(tape: Path, claude: str, tmp_path: Path):
    """The upstream is gone and the workspace elsewhere: same words, same files, same tokens, and no error."""
    workspace = tmp_path / "elsewhere 'quoted\""
    with played(tape, workspace) as server:
        replies = turns(claude, server.base_url, workspace, "Do one.", "Do two.")
        assert server.error == server.rest() == ""
    assert [reply.text for reply in replies] == ["First is done.", "Second is done."]
    assert (workspace / "a b'c.py").read_text() == "print('bye')\n"
    assert [reply.tokens_in for reply in replies] == [300, 300]
    assert len({reply.session for reply in replies}) == 1


def test_the_file_is_for_people_and_holds_no_secret(tape: Path, tmp_path: Path):
    """A line for each question, status and event, with seconds; the CLI's version; no key, path or session id."""
    text = tape.read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    told = {name: lines[0][name] for name in ("cli", "model")}
    assert lines[0] == {"cassette": 2, "scenario": "two", **told}
    assert lines[0]["cli"].startswith("claude-cli/2.1.")
    for secret in (KEY, str(tmp_path), "at-home", str(Path.home()) + "/"):
        assert secret not in text
    questions = [line for line in lines if "exchange" in line]
    assert questions[0]["new"][0] == "Do one."
    assert [line["turn"] for line in questions] == sorted(line["turn"] for line in questions)
    assert any(line.get("status") == 429 for line in lines)
    events = [line for line in lines if "event" in line]
    assert {"message_start", "content_block_delta", "message_stop"} <= {line["event"] for line in events}
    assert all(at >= 0 for line in lines if "status" in line for at in line["at"])
    assert "{WORKSPACE}/a b'c.py" in text
    assert "session_id" not in text


def test_a_prompt_that_was_not_recorded_is_a_loud_miss_with_a_difference(tape: Path, claude: str, tmp_path: Path):
    """The turn fails, the error shows what was recorded and what is asked now, and nothing else is answered."""
    workspace = tmp_path / "again"
    with (
        played(tape, workspace) as server,
        pytest.raises(AgentUnavailable, match=r"cannot use its model API") as caught,
    ):
        turns(claude, server.base_url, workspace, "Do one differently.")
    for words in (
        "no answer to what is asked now",
        "-Do one.",
        "+Do one differently.",
        "two.jsonl:2 ",
        "obra record two",
    ):
        assert words in server.error
        assert words in str(caught.value)


def test_a_cassette_of_a_broken_stream_breaks_again(claude: str, tmp_path: Path):
    """A stream that was cut is cut again where it was, and the CLI recovers as it did."""
    path, workspace = tmp_path / "cut.jsonl", tmp_path / "work"
    workspace.mkdir()
    faults = [Fault(kind=ModelFault.HALF_LINE), Fault(kind=ModelFault.ERROR_EVENT)]
    with (
        ModelServer([ScriptStep(say="Recovered.")], workspace=workspace, faults=faults) as upstream,
        Recorder(upstream.base_url, workspace=workspace, cassette=path) as recorder,
    ):
        assert turns(claude, recorder.base_url, workspace, "Go.")[0].text == "Recovered."
    with played(path, workspace) as server:
        assert turns(claude, server.base_url, workspace, "Go.")[0].text == "Recovered."
        assert server.error == ""


def test_an_upstream_that_is_not_there_is_told_and_no_cassette_is_made(claude: str, tmp_path: Path):
    """The agent fails as without us, and the recorder says which address did not answer."""
    with Recorder("http://127.0.0.1:9", workspace=tmp_path, cassette=tmp_path / "x.jsonl") as recorder:
        import httpx

        with pytest.raises(httpx.RemoteProtocolError):
            httpx.post(f"{recorder.base_url}/v1/messages", json={"messages": [{"role": "user", "content": "x"}]})
        assert "http://127.0.0.1:9 cannot be reached" in recorder.error
    assert not (tmp_path / "x.jsonl").exists()


def test_the_same_run_recorded_anew_differs_in_its_times_alone(tmp_path: Path):
    """Whoever reviews a new recording sees what changed and nothing else, in whatever order questions came."""
    import httpx

    first = {"messages": [{"role": "user", "content": "go"}], "tools": [{}], "stream": True}
    later = [*first["messages"], {"role": "assistant", "content": "One."}, {"role": "user", "content": "go on"}]
    questions = [first, {**first, "tools": []}, {**first, "messages": later}]
    texts = []
    for number, asked in enumerate((questions, questions[::-1])):
        path = tmp_path / f"{number}.jsonl"
        upstream = ModelServer([ScriptStep(say="One."), ScriptStep(say="Two.")], workspace=tmp_path)
        with upstream, Recorder(upstream.base_url, workspace=tmp_path, cassette=path) as recorder:
            for question in asked:
                httpx.post(f"{recorder.base_url}/v1/messages", json=question).raise_for_status()
        texts.append(re.sub(r"msg_obra_\d", "msg", path.read_text(encoding="utf-8")).splitlines())
    differing = [one for one, two in zip(*texts, strict=True) if one != two]
    assert all(line.startswith('{"status"') for line in differing)
    assert Cassette.load(tmp_path / "0.jsonl").exchanges[0].line == 2  # behind the first
