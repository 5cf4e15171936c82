"""obra doctor."""

from __future__ import annotations


def test_all_is_well_for_the_mock_agent(obra, tmp_path):
    """Exit 0, each thing with its version, and nothing written."""
    ended = obra("doctor")
    assert ended.code == 0
    assert "ok       Python" in ended.out
    assert ended.out.endswith("everything needed is there\n")
    assert list(tmp_path.iterdir()) == []


def test_what_is_missing_exits_1_with_the_command_that_mends_it(obra):
    """--agent real where nothing is installed."""
    bare = ("--agent", "real", "-o", "agent.local.command=nope", "-o", "llm.api_url=http://127.0.0.1:9")
    ended = obra("doctor", *bare)
    assert ended.code == 1
    assert "MISSING  Claude Code" in ended.out
    assert "npm install -g @anthropic-ai/claude-code@" in ended.out
    assert ended.out.endswith("3 things missing\n")
    found = obra("doctor", "--json", *bare)
    assert found.code == 1
    assert {one["name"] for one in found.data if one["needed"] and not one["ok"]} == {
        "Claude Code",
        "model access",
        "LLM ollama",
    }


def test_an_unknown_agent_exits_2(obra):
    """The known names and the rungs are listed."""
    ended = obra("doctor", "--agent", "claud")
    assert ended.code == 2
    assert "Known: acp, claude_code_local, claude_code_ssh, codex, command, gemini, mock, opencode." in ended.err
    assert "--agent also takes mock, replay," in ended.err
