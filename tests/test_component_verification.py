"""The plan's phase 1: each component does its work by itself, called exactly as the plan calls it."""

import pytest

from obra import (
    BreakpointManager,
    ClaudeCodeLocalAgent,
    ConfidenceScorer,
    DecisionEngine,
    LocalLLMInterface,
    PromptGenerator,
    QualityController,
    ResponseValidator,
    ScriptedLLM,
    StateManager,
    Task,
)
from obra.domain import ScriptStep
from obra.replay.model_server import ModelServer


@pytest.fixture
def llm():
    """The scripted LLM: what the plan calls mock or real."""
    return ScriptedLLM({})


@pytest.fixture
def state_manager(tmp_path):
    """A real SQLite database."""
    with StateManager(f"sqlite:///{tmp_path}/obra.db") as manager:
        yield manager


def test_ollama_connection(ollama):
    """Section 1.2: the LLM interface speaks to an Ollama server and gets its greeting."""
    llm = LocalLLMInterface({"type": "ollama", "api_url": ollama.url, "model": "llama3.2"})
    response = llm.generate("Say hello")
    assert len(response) > 0
    assert "hello" in response.lower()
    llm.close()


def test_prompt_generator(llm):
    """Section 1.2: a prompt names the task."""
    generator = PromptGenerator(llm)
    task = Task(title="Create calculator", description="...")
    prompt = generator.generate_prompt(task, {"files": [], "history": []})
    assert len(prompt) > 0
    assert "calculator" in prompt.lower()


def test_response_validator(llm):
    """Section 1.2: an answer with code is valid, a refusal is not."""
    validator = ResponseValidator(llm)
    assert validator.validate_response("Here's the code:\n```python\nprint('hello')\n```")["valid"] is True
    assert validator.validate_response("I can't do that")["valid"] is False


def test_local_agent_subprocess(claude, tmp_path):
    """Section 1.3: the real binary starts, is healthy, answers, and is gone after cleanup."""
    agent = ClaudeCodeLocalAgent()
    with ModelServer([ScriptStep(say="Hello from Claude")], workspace=tmp_path) as server:
        config = {
            "command": claude,
            "workspace_dir": str(tmp_path),
            "timeout_ready": 30,
            "timeout_response": 120,
            "base_url": server.base_url,
            "api_key": "no-key-needed",
        }
        try:
            agent.initialize(config)
            assert agent.is_healthy()
            response = agent.send_prompt("echo 'Hello from Claude'")
            assert len(response) > 0
            assert "Hello from Claude" in str(response)
        finally:
            agent.cleanup()
    assert not agent.is_healthy()


def test_quality_controller(state_manager):
    """Section 1.4: code in a reply is worth something, and no more than 100."""
    controller = QualityController(state_manager, config={})
    response = "```python\ndef add(a, b):\n    return a + b\n```"
    result = controller.validate_output(response, Task(title="Create calculator"), {"language": "python"})
    assert result.overall_score > 0
    assert result.overall_score <= 100


def test_confidence_scorer():
    """Section 1.4: confidence is a number from 0 to 100, for plain mappings and objects, too."""
    scorer = ConfidenceScorer(config={})
    metadata = {"validation": {"valid": True}, "quality": type("obj", (object,), {"overall_score": 85})()}
    confidence = scorer.score_response(
        "Complete calculator implementation", Task(title="Create calculator"), metadata
    )
    assert 0 <= confidence <= 100


def test_decision_engine(state_manager):
    """Section 1.4: a decision is one of four; words alone, without evidence, are escalated."""
    engine = DecisionEngine(state_manager, BreakpointManager(), config={})
    context = {
        "task": Task(title="Create calculator"),
        "response": "Good code",
        "validation_result": {"valid": True},
        "quality_score": 85,
        "confidence_score": 75,
    }
    action = engine.decide_next_action(context)
    assert action.type in ["proceed", "retry", "clarify", "escalate"]
    assert action.type == "escalate"
