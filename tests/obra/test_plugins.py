"""Plugins: found by entry-point name or dotted path; an unknown name is an error with the known ones."""

import pytest

from obra.agents.mock_agent import MockAgent
from obra.errors import PluginError
from obra.llm.scripted_llm import ScriptedLLM
from obra.plugins import AGENTS, LLMS, AgentPlugin, LLMPlugin, find_plugin, known_names


def test_ours_come_in_by_the_door_of_strangers():
    """Every agent and LLM of ours is an entry point, can be loaded and fulfils its protocol."""
    assert set(known_names(AGENTS)) >= {"mock", "claude_code_local", "claude_code_ssh"}
    assert set(known_names(LLMS)) >= {"scripted", "ollama"}
    assert find_plugin(AGENTS, "mock") is MockAgent
    for name in known_names(AGENTS):
        assert isinstance(find_plugin(AGENTS, name)(), AgentPlugin)
    assert isinstance(ScriptedLLM(), LLMPlugin)
    assert isinstance(find_plugin(LLMS, "ollama")({"api_url": "http://localhost:1", "model": "m"}), LLMPlugin)


def test_a_dotted_path_needs_no_packaging():
    """package.module:Class is enough."""
    assert find_plugin(AGENTS, "obra.agents.mock_agent:MockAgent") is MockAgent


@pytest.mark.parametrize(
    ("group", "name", "words"),
    [
        (AGENTS, "claude_code_locl", "did you mean 'claude_code_local'? Known: acp, claude_code_local"),
        (
            AGENTS,
            "claud",
            "unknown agent 'claud'; did you mean 'claude_code_local'? Known: acp, claude_code_local",
        ),
        (AGENTS, "Mo", "unknown agent 'Mo'; did you mean 'mock'? Known:"),
        (AGENTS, "zzz", "unknown agent 'zzz'. Known: acp, claude_code_local"),
        (AGENTS, "", "unknown agent ''. Known: acp, claude_code_local"),
        (LLMS, "olama", "unknown LLM 'olama'; did you mean 'ollama'?"),
        (AGENTS, "no.such.module:Agent", "cannot be loaded: No module named 'no'"),
        (AGENTS, "obra.agents.mock_agent:Nobody", "cannot be loaded"),
        (AGENTS, "obra.agents.mock_agent:NO_SCRIPT_REPLY", "is not a class"),
    ],
)
def test_nothing_unknown_is_replaced_by_a_mock(group, name, words):
    """A wrong name is an error that helps, never a silent fallback."""
    with pytest.raises(PluginError) as caught:
        find_plugin(group, name)
    assert words in str(caught.value)


def test_what_else_would_have_done_is_listed_once():
    """Whoever takes further names has them suggested and listed, each name once."""
    with pytest.raises(PluginError) as caught:
        find_plugin(AGENTS, "repl", also=("mock", "replay", "real"))
    text = str(caught.value)
    assert "did you mean 'replay'? Known: mock, replay, real, acp, claude_code_local, claude_code_ssh" in text
    assert text.count("mock") == text.count("Known") == 1
