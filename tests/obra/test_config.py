"""Config: precedence, refusal of unknown keys with their place, secrets, and the plan's own file."""

import textwrap
from pathlib import Path

import pytest

from obra.config import RUNGS, Config, default_yaml, setting_keys
from obra.errors import ConfigError

ROOT = Path(__file__).parents[2]

PLAN = """\
llm:
  type: ollama
  model: qwen2.5-coder:32b
  api_url: http://localhost:11434
  temperature: 0.7
  timeout: 30
  max_tokens: 4096

agent:
  type: claude_code_local  # REAL AGENT
  timeout: 120
  max_retries: 3

  local:
    command: claude
    workspace_dir: /tmp/obra_real_test/workspace
    timeout_ready: 30
    timeout_response: 120

database:
  url: sqlite:///data/orchestrator_real_test.db
  echo: true

orchestration:
  max_iterations: 5
  iteration_timeout: 300

breakpoints:
  enabled: true
  triggers:
    low_confidence:
      enabled: true
      threshold: 30
    quality_too_low:
      enabled: true
      threshold: 50

validation:
  quality:
    enabled: true
    threshold: 70

confidence:
  threshold: 50

logging:
  level: DEBUG
  file: logs/real_agent_test.log
"""


def write(folder: Path, text: str) -> Path:
    """Write a configuration file and return its path."""
    path = folder / "obra.yaml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def load(path=None, **arguments) -> Config:
    """Load with an empty environment unless a test gives one."""
    return Config.load(path, **{"environ": {}, **arguments})


def test_the_plans_file_is_read_as_it_stands(tmp_path):
    """Every key of the plan's real_agent_config.yaml is known and takes effect."""
    config = load(write(tmp_path, PLAN))
    assert config.get("agent.type") == "claude_code_local"
    assert config.get("agent.local.timeout_response") == 120
    assert config.get("breakpoints.triggers.quality_too_low.threshold") == 50
    assert config.get("logging.file") == "logs/real_agent_test.log"
    assert config.get("database.echo") is True


def test_precedence_is_default_file_environment_option(tmp_path):
    """Each source beats the one before it, and the origin of a value is told."""
    path = write(tmp_path, "llm:\n  model: from-file\n")
    environ = {"OBRA__LLM__MODEL": "from-environment"}
    assert load().get("llm.model") == "qwen2.5-coder:32b"
    assert load(path).get("llm.model") == "from-file"
    assert load(path, environ=environ).get("llm.model") == "from-environment"
    config = load(path, environ=environ, overrides=["llm.model=from-option"])
    assert config.get("llm.model") == "from-option"
    origins = {key: origin for key, _, origin in config.rows()}
    assert origins["llm.model"] == "option -o llm.model"
    assert origins["llm.seed"] == "default"


def test_the_origin_of_a_value_in_a_file_is_its_line(tmp_path):
    """Whoever asks where a value comes from is told file and line."""
    path = write(tmp_path, "llm:\n  seed: 7\n  model: x\n")
    assert {key: origin for key, _, origin in load(path).rows()}["llm.model"] == f"{path}:3"


def test_log_level_has_a_short_variable():
    """OBRA_LOG_LEVEL sets logging.level, in any case of letters."""
    assert load(environ={"OBRA_LOG_LEVEL": "debug"}).get("logging.level") == "DEBUG"


def test_unknown_keys_are_refused_with_place_and_nearest_name(tmp_path):
    """A typo is answered with file, line and the right word, and all typos at once."""
    path = write(tmp_path, "llm:\n  modell: x\nagent:\n  local:\n    comand: y\nagnet: {}\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    text = str(caught.value)
    assert f"{path}:2: unknown key 'llm.modell'; did you mean 'llm.model'?" in text
    assert f"{path}:5: unknown key 'agent.local.comand'; did you mean 'agent.local.command'?" in text
    assert f"{path}:6: unknown key 'agnet'; did you mean 'agent'?" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"overrides": ["agent.tmeout=3"]}, "unknown key 'agent.tmeout'; did you mean 'agent.timeout'?"),
        ({"overrides": ["agent.timeout"]}, "write it as section.key=value"),
        ({"overrides": ["agent.timeout=-1"]}, "'agent.timeout': should be greater than 0; it is -1"),
        ({"overrides": ["agent=3"]}, "'agent'"),
        ({"environ": {"OBRA__LLM__MODLE": "x"}}, "environment OBRA__LLM__MODLE: unknown key 'llm.modle'"),
        ({"environ": {"OBRA_LOG_LEVEL": "loud"}}, "environment OBRA_LOG_LEVEL: 'logging.level'"),
    ],
)
def test_wrong_settings_say_where_they_stand(arguments, words):
    """The message names the option or variable, the key, the value and what was expected."""
    with pytest.raises(ConfigError) as caught:
        load(**arguments)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("llm:\n  seed: [\n", "obra.yaml:3:"),
        ("llm:\n  seed: many\n", "obra.yaml:2: 'llm.seed'"),
        ("llm: {seed: 1}\nllm: {seed: 2}\n", "obra.yaml:2: the key 'llm' stands here twice"),
        ("- a list\n", "obra.yaml:1:"),
        ("llm: 3\n", "obra.yaml:1: 'llm'"),
    ],
)
def test_wrong_files_say_where(tmp_path, text, words):
    """Broken YAML, doubled keys and wrong values are told with their line."""
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, text))
    assert words in str(caught.value)


def test_a_file_that_is_not_there_or_not_text(tmp_path):
    """A missing file and a binary one are each one clear sentence."""
    with pytest.raises(ConfigError, match="missing.yaml: cannot be read: No such file"):
        load(tmp_path / "missing.yaml")
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(binary)


def test_an_empty_file_changes_nothing(tmp_path):
    """An empty file, or one of comments alone, is the defaults."""
    assert load(write(tmp_path, "# nothing\n")).settings == Config().settings


def test_secrets_are_never_printed(tmp_path):
    """A key is masked in rows, in the settings' own text, and in messages about it."""
    config = load(overrides=["agent.local.api_key=sk-secret-1"])
    assert config.get("agent.local.api_key").get_secret_value() == "sk-secret-1"
    assert "sk-secret-1" not in str(list(config.rows())) + repr(config.settings)
    for source in ({"overrides": ["agent.local.api_key=[sk-secret-2]"]}, {}):
        path = None if source else write(tmp_path, "agent:\n  local:\n    api_key: [sk-secret-2]\n")
        with pytest.raises(ConfigError) as caught:
            load(path, **source)
        assert "sk-secret-2" not in str(caught.value)


def test_a_database_password_is_masked():
    """The password inside a database address is not printed either."""
    config = load(overrides=["database.url=postgresql://obra:hunter2@localhost/obra"])
    assert "hunter2" not in str(list(config.rows()))
    assert config.get("database.url") == "postgresql://obra:hunter2@localhost/obra"


def test_set_and_get_speak_in_dotted_keys():
    """A value that is set is checked, and read back under the same key."""
    config = Config()
    config.set("agent.type", "claude_code_local")
    assert config.get("agent.type") == "claude_code_local"
    assert config.get("agent.model", "none given") == "none given"
    with pytest.raises(ConfigError, match="did you mean 'agent.type'"):
        config.set("agent.tpye", "x")
    with pytest.raises(ConfigError, match="unknown key 'llm.nonsense'"):
        config.get("llm.nonsense")


def test_an_agents_own_options_are_free():
    """Settings of an agent that is not ours are passed on unread."""
    config = load(overrides=["agent.options={deep: {er: 1}}"])
    assert config.get("agent.options.deep") == {"er": 1}


@pytest.mark.parametrize("rung", sorted(rung for rung in RUNGS if ":" not in rung))
def test_the_rungs_files_say_what_the_rungs_say(rung):
    """config/mock.yaml, replay.yaml, cassette.yaml and real.yaml set what --obra-agent sets."""
    config = load(ROOT / "config" / f"{rung}.yaml")
    assert {key: config.get(key) for key in RUNGS[rung]} == dict(RUNGS[rung])


def test_a_scripted_rung_beats_the_file_and_real_does_not(tmp_path):
    """Mock means mock whatever the file says; with real, the file says which real agent is meant."""
    path = write(tmp_path, "agent: {type: claude_code_ssh}\nllm: {type: ollama}\n")
    assert load(path, rung="mock").get("agent.type") == "mock"
    assert load(path, rung="real").get("agent.type") == "claude_code_ssh"
    assert load(rung="my.module:Agent").get("agent.type") == "my.module:Agent"


def test_every_shipped_file_loads_and_default_is_current():
    """All files in config/ are valid, and default.yaml is what the code says today."""
    for path in sorted((ROOT / "config").glob("*.yaml")):
        load(path)
    assert (ROOT / "config" / "default.yaml").read_text(encoding="utf-8") == default_yaml()
    assert load(ROOT / "config" / "default.yaml").settings == Config().settings


def test_every_key_is_explained():
    """default.yaml has a comment above each key."""
    lines = default_yaml().splitlines()
    for key in setting_keys():
        name = key.rpartition(".")[2]
        places = [at for at, line in enumerate(lines) if line.strip().startswith(f"{name}: ")]
        assert places, key
        assert all(lines[at - 1].strip().startswith("#") for at in places), key
