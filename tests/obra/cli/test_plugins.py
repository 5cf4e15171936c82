"""obra plugins."""

from __future__ import annotations


def test_all_three_kinds_are_listed_with_their_packages(obra):
    """Ours come from obra itself."""
    found = obra("plugins", "--json").data
    named = {(one["kind"], one["name"]): one for one in found}
    assert {"agent", "LLM", "check"} == {kind for kind, _ in named}
    assert named["agent", "mock"]["class"] == "obra.agents.mock_agent:MockAgent"
    assert named["LLM", "ollama"]["package"] == "obra 0.1.0"
    assert named["check", "file"]["class"].endswith(":FileCheck")
    assert "claude_code_ssh" in obra("plugins").out


def test_one_of_a_stranger_that_cannot_be_loaded_is_told(obra, tmp_path):
    """A package whose module is gone: it is listed, its reason is told, and the command exits with 1."""
    info = tmp_path / "site/stranger-2.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text("[obra.agents]\nodd = nowhere.at_all:Agent\n")
    ended = obra("plugins", PYTHONPATH=str(tmp_path / "site"))
    assert ended.code == 1
    assert "stranger 2.0" in ended.out
    assert "cannot be loaded: agent odd: the agent 'odd' cannot be loaded: No module named 'nowhere'" in ended.out
