"""The scripts of the hooks really run, and what they and the transcript tell is read once, whole and in order."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from obra.agents.terminal_records import TerminalRecords, seed_configuration


@pytest.fixture
def records(tmp_path: Path) -> TerminalRecords:
    """Records in a folder whose name needs quoting."""
    return TerminalRecords(tmp_path / "a folder's $(name)" / "records", max_turns=2)


def run(records: TerminalRecords, name: str, data: str) -> str:
    """Run a hook as the program does; return what it prints."""
    settings = records.settings
    hook = settings["statusLine"] if name == "Status" else settings["hooks"][name][0]["hooks"][0]
    done = subprocess.run(hook["command"], shell=True, input=data, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


def test_each_hook_is_one_record_in_order(records):
    """What the program tells a hook is read once; a hook prints nothing, which would mean something to it."""
    for number in range(3):
        assert run(records, "Stop", json.dumps({"number": number})) == ""
    run(records, "Status", '{"cost": 1}')
    assert list(records.take_hooks()) == [
        ("Stop", {"number": 0}), ("Stop", {"number": 1}), ("Stop", {"number": 2}), ("Status", {"cost": 1}),
    ]  # fmt: skip
    assert list(records.take_hooks()) == []


@pytest.mark.parametrize("text", ["", "no JSON", "[1]", "\x00"])
def test_a_record_that_is_no_object_is_an_empty_one(records, text):
    """That a hook ran is known even when its data cannot be read."""
    run(records, "Stop", text)
    assert list(records.take_hooks()) == [("Stop", {})]


def test_the_loop_is_stopped_when_the_model_calls_are_used_up(records):
    """The second round of tools is the last of two; subagents do not count; the next turn begins anew."""
    round_of_tools = '{"tool_calls": []}'
    for _ in range(2):
        assert run(records, "PostToolBatch", round_of_tools) == ""
        assert run(records, "PostToolBatch", '{"agent_id":"sub","tool_calls": []}') == ""
        assert json.loads(run(records, "PostToolBatch", round_of_tools))["continue"] is False
        assert list(records.take_hooks()) == [("Limit", {"limit": 2})]
        records.begin_turn()


def test_the_transcript_is_read_from_where_it_stood_and_line_by_line(records, tmp_path: Path):
    """Lines of turns before are skipped, a half line waits for its end, and one that is no JSON is empty."""
    file = tmp_path / "t.jsonl"
    assert list(records.take_transcript()) == []
    file.write_text('{"old": 1}\n')
    records.follow(str(file))
    with file.open("a") as log:
        log.write('{"new": 1}\nnonsense\n{"ha')
        log.flush()
        assert list(records.take_transcript()) == [{"new": 1}, {}]
        log.write('lf": "ü"}\n')
    assert list(records.take_transcript()) == [{"half": "ü"}]


def test_a_configuration_is_seeded_once_and_only_for_us(tmp_path: Path):
    """It approves the end of the key and trusts the workspace; one that is there already is not touched."""
    folder = tmp_path / "config"
    seed_configuration(folder, workspace=tmp_path, api_key="sk-" + "0123456789" * 3)
    file = folder / ".claude.json"
    seeds = json.loads(file.read_text())
    assert seeds["customApiKeyResponses"]["approved"] == ["0123456789" * 2]
    assert seeds["projects"][str(tmp_path)]["hasTrustDialogAccepted"] is True
    assert file.stat().st_mode & 0o077 == 0
    file.write_text("{}")
    seed_configuration(folder, workspace=tmp_path, api_key="other")
    assert file.read_text() == "{}"
