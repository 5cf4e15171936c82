from __future__ import annotations

import pytest

from obra.errors import LLMError, LLMProtocolError, ModelMissing
from obra.llm.local_llm_interface import LocalLLMInterface
from obra.llm.ollama_models import Model


@pytest.fixture
def models(ollama):
    """The models of a loopback server."""
    return LocalLLMInterface({"api_url": ollama.url, "model": "llama3.2"}).models


def test_installed_and_loaded(ollama, models):
    """The lists of the server, with digest, size and window."""
    ollama.loaded["tiny:1b"] = 2048
    assert models.installed()[0] == Model(name="llama3.2:latest", digest="a" * 64, size=1)
    assert models.loaded() == (Model(name="tiny:1b", digest="b" * 64, size=1, context_tokens=2048),)


def test_the_window_that_a_model_has_by_itself(ollama, models):
    """/api/show names it after the architecture."""
    ollama.window_limit = 131072
    assert models.own_window("llama3.2") == 131072
    with pytest.raises(ModelMissing, match="`obra llm pull nothing`"):
        models.own_window("nothing")


@pytest.mark.parametrize("body", [b"{}", b'{"model_info": null}', b'{"model_info": {"a.context_length": "x"}}'])
def test_a_description_without_a_window(ollama, models, body):
    """Old servers do not tell: unknown is None and no crash."""
    ollama.replaced["/api/show"] = (200, body)
    assert models.own_window("llama3.2") is None


def test_pull(ollama, models):
    """Each line of the download arrives as it comes, and afterwards the model is there."""
    seen = []
    models.pull("new:7b", seen.append)
    assert [(one.status, one.completed, one.total) for one in seen] == [
        ("pulling manifest", 0, 0),
        ("pulling aaaa", 0, 100),
        ("pulling aaaa", 40, 100),
        ("pulling aaaa", 100, 100),
        ("success", 0, 0),
    ]
    assert "new:7b" in [model.name for model in models.installed()]


def test_a_pull_that_the_registry_refuses(ollama, models):
    """An error line under status 200 is an error."""
    ollama.pulls.append([{"status": "pulling manifest"}, {"error": "pull model manifest: file does not exist"}])
    with pytest.raises(ModelMissing, match="file does not exist"):
        models.pull("nonsense", lambda _: None)


def test_a_pull_that_stops(ollama, models):
    """A stream that ends without success has not fetched the model."""
    ollama.pulls.append([{"status": "pulling manifest"}])
    with pytest.raises(LLMProtocolError, match="stopped before it was done"):
        models.pull("new", lambda _: None)


def test_a_pull_from_what_is_no_ollama(ollama, models):
    """Another server's refusal is typed."""
    ollama.replaced["/api/pull"] = (405, b"no")
    with pytest.raises(LLMError, match="status 405"):
        models.pull("new", lambda _: None)
