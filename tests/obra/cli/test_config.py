"""obra config."""

from __future__ import annotations

import re

import yaml

from obra.config import default_yaml, setting_keys


def test_every_setting_is_shown_with_its_origin(obra, write, tmp_path):
    """Default, file with line, environment, rung and option: each says where it comes from; secrets are masked."""
    write("mine.yaml", "llm:\n  model: small\nagent:\n  local: {api_key: geheim-from-file}\n")
    ended = obra(
        *("config", "--config", "mine.yaml", "--agent", "replay", "-o", "llm.seed=7"),
        OBRA__LLM__TEMPERATURE="0.5",
        OBRA_LOG_LEVEL="debug",
    )
    assert ended.code == 0, ended.err
    shown = dict(re.fullmatch(r"(\S+): (.*)", line.rstrip()).groups() for line in ended.out.splitlines())
    assert list(shown) == list(setting_keys())
    pairs = {key: tuple(part.strip() for part in text.rsplit("#", 1)) for key, text in shown.items()}
    assert pairs["llm.model"] == ("small", "mine.yaml:2")
    assert pairs["llm.seed"] == ("7", "option -o llm.seed")
    assert pairs["llm.temperature"] == ("0.5", "environment OBRA__LLM__TEMPERATURE")
    assert pairs["logging.level"] == ("DEBUG", "environment OBRA_LOG_LEVEL")
    assert pairs["agent.type"] == ("claude_code_local", "rung replay")
    assert pairs["agent.local.api_key"][0] == "'**********'"
    assert "geheim" not in ended.out
    assert [one.name for one in tmp_path.iterdir()] == ["mine.yaml"]


def test_one_key_or_a_section_can_be_asked_for(obra):
    """A key gives one line, a section all of its keys, JSON real values."""
    assert obra("config", "llm.model").out == "llm.model: qwen2.5-coder:32b  # default\n"
    assert len(obra("config", "workspace").out.splitlines()) == 4
    data = obra("config", "agent.allowed_tools", "--json").data
    assert data == [
        {
            "key": "agent.allowed_tools",
            "value": ["Bash", "Edit", "Glob", "Grep", "Read", "Write"],
            "origin": "default",
        }
    ]


def test_an_unknown_key_exits_2_with_the_nearest(obra):
    """The nearest right key is named."""
    ended = obra("config", "llm.modell")
    assert ended.code == 2
    assert "unknown key 'llm.modell'; did you mean 'llm.model'?" in ended.err


def test_default_prints_a_file_that_can_be_loaded(obra, write):
    """--default is the whole file; loading it changes nothing."""
    ended = obra("config", "--default")
    assert ended.out == default_yaml()
    write("all.yaml", ended.out)
    loaded = obra("config", "--config", "all.yaml", "--json").data
    assert {one["key"]: one["value"] for one in loaded} == {
        one["key"]: one["value"] for one in obra("config", "--json").data
    }
    assert yaml.safe_load(ended.out)["agent"]["type"] == "mock"
    both = obra("config", "--default", "llm")
    assert both.code == 2
    assert "use it without KEY and --json" in both.err
