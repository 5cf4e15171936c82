"""Our own agents and LLMs keep the contracts that we ship for everybody's."""

from obra import ClaudeCodeLocalAgent, LocalLLMInterface, MockAgent, ScriptedLLM
from obra.domain import ScriptStep
from obra.prompting.prompt_generator import REVIEW_SCHEMA
from obra.replay.model_server import ModelServer
from obra.testing import check_agent, check_llm

SCRIPT = [ScriptStep(say="One.", write={"a.txt": "1"}), ScriptStep(say="Two.", run=("cp a.txt b.txt",))]
PROMPTS = ["the first", "the second"]


def test_the_mock_agent(tmp_path):
    """MockAgent lives as an agent does, and its work is there."""
    check_agent(MockAgent, workspace=tmp_path, config={"script": SCRIPT}, prompts=PROMPTS)
    assert (tmp_path / "b.txt").read_text() == "1"


def test_claude_code(claude, tmp_path):
    """The real binary lives as an agent does, and its work is there."""
    workspace = tmp_path / "workspace"
    with ModelServer(SCRIPT, workspace=workspace) as server:
        config = {"command": claude, "base_url": server.base_url, "api_key": "no-key-needed"}
        impossible = {**config, "command": str(tmp_path / "nowhere")}
        check_agent(
            ClaudeCodeLocalAgent, workspace=workspace, config=config, prompts=PROMPTS, impossible=impossible
        )
    assert (workspace / "b.txt").read_text() == "1"


def test_the_scripted_llm():
    """ScriptedLLM answers as an LLM does."""
    check_llm(lambda: ScriptedLLM({}), schema=REVIEW_SCHEMA)


def test_the_ollama_interface(ollama):
    """LocalLLMInterface answers as an LLM does, and says when its server is not there."""
    settings = {"api_url": ollama.url, "model": "llama3.2"}
    check_llm(
        lambda: LocalLLMInterface(settings),
        unreachable=lambda: LocalLLMInterface({**settings, "api_url": "http://127.0.0.1:9"}),
    )
