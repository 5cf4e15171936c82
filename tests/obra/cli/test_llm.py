"""``obra llm`` against a loopback Ollama."""

from __future__ import annotations

import pytest


@pytest.fixture
def ask(obra, ollama):
    """Run ``obra llm`` with the loopback server as its Ollama."""
    return lambda *arguments, **settings: obra(
        "llm", *arguments, OBRA__LLM__API_URL=ollama.url, **{"OBRA__LLM__MODEL": "llama3.2", **settings}
    )


def test_list(ask):
    """Every model with size and digest; the digest in full as JSON."""
    done = ask("list")
    assert done.code == 0
    assert done.out.splitlines()[0].split() == ["NAME", "SIZE", "DIGEST", "WINDOW"]
    assert "llama3.2:latest  1 B   aaaaaaaaaaaa" in done.out
    assert ask("list", "--json").data[1] == {
        "name": "tiny:1b", "digest": "b" * 64, "size": 1, "context_tokens": None,
    }  # fmt: skip


def test_pull_the_configured_model(ask, ollama):
    """Each thing that is done is told, a bar for the bytes where there is a terminal, and then it is there."""
    done = ask("pull", OBRA__LLM__MODEL="new:7b")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[0] == "pulling manifest"
    assert done.out.splitlines()[-1] == "new:7b is there"
    assert "new:7b" in ollama.models


def test_pull_another_model(ask, ollama):
    """A model that the settings do not name: the next command says how to use it."""
    done = ask("pull", "other")
    assert "obra llm check -o llm.model=other" in done.out
    assert "other:latest" in ollama.models


def test_a_pull_that_fails(ask, ollama):
    """Exit code 1, the server's words, no traceback."""
    ollama.pulls.append([{"error": "pull model manifest: file does not exist"}])
    done = ask("pull", "nonsense")
    assert done.code == 1
    assert "file does not exist" in done.err
    assert "Traceback" not in done.err


def test_pull_where_nothing_is_pulled(ask):
    """Other servers get their models by other means."""
    done = ask("pull", OBRA__LLM__TYPE="openai")
    assert done.code == 2
    assert "only Ollama fetches models" in done.err


def test_check(ask, ollama):
    """Model with digest, both windows, what is in memory; code 0."""
    ollama.loaded["tiny:1b"] = 2048
    done = ask("check")
    assert (done.code, done.err) == (0, "")
    assert "ollama llama3.2@aaaaaaaaaaaa" in done.out
    assert "16384 tokens are asked for, the model's own is 1048576" in done.out
    assert "tiny:1b (window 2048)" in done.out
    assert "it can be asked" in done.out


def test_check_and_load(ask, ollama):
    """With --load the model is in memory afterwards, with our window."""
    data = ask("check", "--load", "--json").data
    assert data["loaded"][0]["context_tokens"] == 16384
    assert data["missing"] == []
    assert ollama.loaded == {"llama3.2:latest": 16384}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"OBRA__LLM__MODEL": "gone"}, "obra llm pull gone"),
        ({"OBRA__LLM__API_URL": "http://127.0.0.1:9"}, "no LLM server answers"),
        ({"OBRA__LLM__API_URL": "http://127.0.0.1:9", "OBRA__LLM__TYPE": "openai"}, "llama-server"),
        ({"OBRA__LLM__TYPE": "llamacpp", "OBRA__LLM__MODEL": "gone.gguf"}, "there is no file"),
    ],
)
def test_check_where_something_is_missing(obra, ollama, settings, words):
    """Code 1 and what to do."""
    done = obra("llm", "check", **{"OBRA__LLM__API_URL": ollama.url, **settings})
    assert done.code == 1
    assert words in done.out


def test_check_finds_too_small_a_window(ask, ollama):
    """Without loading anything, from the model's description."""
    ollama.window_limit = 4096
    done = ask("check")
    assert done.code == 1
    assert "set it to 4096 at most" in done.out


def test_the_key_is_never_printed(ask):
    """Neither the check nor the settings show it."""
    done = ask("check", OBRA__LLM__API_KEY="sk-secret-1")
    assert "sk-secret-1" not in done.out + done.err


STRANGER = """
class Stranger:
    identity = "stranger"
    def __init__(self, settings): pass
    def generate(self, prompt, **more): return "yes"

class Waiting(Stranger):
    def missing(self): return ()
"""


@pytest.mark.parametrize("verb", ["check", "list"])
def test_a_reviewer_by_others_that_tells_nothing_about_itself(obra, write, verb):
    """It may review; there is only nothing to check or to list."""
    write("stranger.py", STRANGER)
    done = obra("llm", verb, "-o", "llm.type=stranger:Stranger")
    assert done.code == 2
    assert "the LLM 'stranger:Stranger' cannot tell what it lacks; set llm.type to another\n" in done.err
    assert obra("llm", "check", "-o", "llm.type=stranger:Waiting").code == 0
    done = obra("llm", "list", "-o", "llm.type=stranger:Waiting")
    assert done.code == 2
    assert "this kind of LLM has no list of models; see: obra llm check\n" in done.err
