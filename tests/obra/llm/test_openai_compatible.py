from __future__ import annotations

import pytest
from openai_server import OpenAIServer
from pydantic import SecretStr

from obra.errors import ConfigError, LLMProtocolError, LLMTimeout, LLMUnavailable, ModelMissing
from obra.llm.openai_compatible import OpenAICompatibleLLM
from obra.plugins import find_plugin
from obra.testing import check_llm

GOOD = '{"score": 7}'
SCHEMA = {"type": "object", "required": ["score"]}


@pytest.fixture
def server():
    """A running loopback server with the model ``tiny``."""
    with OpenAIServer() as running:
        yield running


def _llm(server, **settings):
    return OpenAICompatibleLLM({"type": "openai", "api_url": server.url, "model": "tiny", **settings})


def test_keeps_the_contract_of_all_llms(server):
    """The suite that strangers' adapters must pass, with a server and without one."""
    for pieces in (("Hello",), ("Servus",), ('{"score":', " 1}")):
        server.will(pieces=pieces)
    check_llm(
        lambda: _llm(server),
        schema=SCHEMA,
        unreachable=lambda: OpenAICompatibleLLM({"api_url": "http://127.0.0.1:9", "model": "m"}),
    )


def test_is_the_plugin_called_openai():
    """The entry point leads here."""
    assert find_plugin("obra.llms", "openai") is OpenAICompatibleLLM


@pytest.mark.parametrize("end", ["", "/", "/v1", "/v1/"])
def test_every_setting_reaches_the_wire(server, end):
    """All of the request, whichever way the address is written."""
    server.will(pieces=(GOOD,))
    llm = OpenAICompatibleLLM(
        {"api_url": server.url + end, "model": "tiny", "temperature": 0.7, "max_tokens": 100, "seed": 9}
    )
    assert llm.generate("Judge ✓", schema=SCHEMA, seed=4) == GOOD
    assert server.paths == ["/v1/models", "/v1/chat/completions"]
    assert server.bodies == [
        {
            "model": "tiny",
            "messages": [{"role": "user", "content": "Judge ✓"}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": 100,
            "temperature": 0.7,
            "seed": 4,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA},
            },
        }
    ]


def test_a_wrong_form_is_repaired_once(server):
    """The same repair as with every other server."""
    server.will(pieces=("{}",))
    server.will(pieces=(GOOD,))
    assert _llm(server).generate("Judge", schema=SCHEMA) == GOOD
    assert "'score' is a required property" in server.bodies[1]["messages"][2]["content"]


def test_the_key_is_sent_and_never_shown(server):
    """With the key all works; without it, or with another, the message names the setting and no key."""
    server.key = "sk-right"
    assert _llm(server, api_key=SecretStr("sk-right")).generate("Say hello") == "Hello!"
    for wrong in (None, "sk-wrong-1"):
        llm = _llm(server, api_key=wrong)
        with pytest.raises(LLMUnavailable, match="set llm.api_key") as caught:
            llm.generate("Say hello")
        assert "sk-wrong-1" not in str(caught.value)
        assert not llm.is_available()
        assert "llm.api_key" in llm.missing()[0]
        assert "sk-wrong-1" not in repr(vars(llm)["_settings"])


@pytest.mark.parametrize("key", ["a\nb", "schlüssel", " x"])
def test_a_key_that_cannot_be_one(server, key):
    """A key with a line end was copied wrong; it is not printed to say so."""
    with pytest.raises(ConfigError, match="llm.api_key") as caught:
        _llm(server, api_key=key)
    assert key not in str(caught.value)


def test_identity_is_the_servers_name_for_the_model(server):
    """An alias is resolved, and asked for once."""
    llm = _llm(server, model="small")
    assert llm.identity == llm.identity == "openai tiny"
    assert server.paths == ["/v1/models"]


def test_a_model_that_is_not_there_is_never_asked(server):
    """llama.cpp and LM Studio would answer with another one; nothing is sent to them."""
    llm = _llm(server, model="gpt-9")
    with pytest.raises(ModelMissing, match=r"no model gpt-9.*that is there: tiny"):
        llm.generate("Say hello")
    assert server.bodies == []
    assert "gpt-9" in llm.missing()[0]
    assert llm.identity == "openai gpt-9"


def test_a_model_that_goes_away(server):
    """A 404 later makes us look again."""
    llm = _llm(server)
    llm.generate("Say hello")
    server.models.clear()
    server.will(status=404, error={"message": "The model `tiny` does not exist."})
    with pytest.raises(ModelMissing, match="that is there: none"):
        llm.generate("Say hello")


@pytest.mark.parametrize("told", [{"meta": {"n_ctx": 4096}}, {"max_model_len": 4096}])
def test_a_window_smaller_than_asked_for(server, told):
    """As llama.cpp and as vLLM tell it; nothing is sent."""
    server.models[:] = [{"id": "tiny", **told}]
    with pytest.raises(LLMProtocolError, match=r"window of 4096 tokens, and 16384 .* llm.context_tokens to 4096"):
        _llm(server).generate("Say hello")
    assert server.bodies == []
    assert _llm(server, context_tokens=4096, max_tokens=100).generate("Say hello") == "Hello!"


def test_a_server_that_tells_no_window(server):
    """LM Studio does not; then its token count is what is left to go by."""
    server.models[:] = [{"id": "tiny"}]
    server.will(prompt_tokens=2050)
    with pytest.raises(LLMProtocolError, match="read 2050 tokens of a prompt of about 10000"):
        _llm(server).generate("x" * 30_000)


def test_ollamas_openai_door_is_refused(server):
    """It cuts prompts in silence, so it is no reviewer."""
    server.models[:] = [{"id": "tiny", "owned_by": "library"}]
    with pytest.raises(LLMProtocolError, match="set llm.type to ollama"):
        _llm(server).generate("Say hello")


def test_too_long_a_prompt_is_refused_before_sending(server):
    """Not even the list is asked for."""
    with pytest.raises(LLMProtocolError, match="not sent"):
        _llm(server, context_tokens=2000, max_tokens=1000).generate("x" * 2701)
    assert server.paths == []


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (503, LLMUnavailable, "Loading model"),
        (429, LLMUnavailable, "llm.parallel"),
        (403, LLMUnavailable, "llm.api_key"),
        (499, LLMUnavailable, "proxy"),
        (400, LLMProtocolError, "status 400: 'Loading model'"),
        (500, LLMProtocolError, "status 500"),
        (302, LLMProtocolError, "status 302"),
        (404, LLMProtocolError, "status 404"),
    ],
)
def test_refusals(server, status, kind, words):
    """Each status has its type, and the words are the message in the server's error object."""
    server.will(status=status, error={"message": "Loading model", "type": "unavailable_error", "code": status})
    with pytest.raises(kind, match=words):
        _llm(server).generate("Say hello")
    assert len(server.bodies) == 1


@pytest.mark.parametrize("error", [{"message": "out of memory", "code": 500}, "out of memory"])
def test_an_error_event_under_status_200(server, error):
    """A failure in the middle of the stream is no short answer."""
    server.will(pieces=("All", " good"), error=error)
    with pytest.raises(LLMProtocolError, match="after 8 characters.*out of memory"):
        _llm(server).generate("Say hello")


def test_a_stream_that_ends_too_soon(server):
    """[DONE] without a finish_reason is a stream that ended, and no answer that did."""
    server.will(pieces=("All", " good"), finish_reason=None)
    with pytest.raises(LLMProtocolError, match="after 8 characters without saying that it is done"):
        _llm(server).generate("Say hello")


def test_a_connection_that_breaks(server):
    """A server that dies inside a piece is a broken answer and not a short one."""
    server.will(pieces=("All",), resets=True)
    with pytest.raises(LLMProtocolError, match="broke off before its answer was complete"):
        _llm(server).generate("Say hello")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"pieces": ("a", "b", "c", "d")}, r"llm.max_tokens = 3.*'abc'"),
        ({"finish_reason": "content_filter"}, "for the reason 'content_filter'"),
        ({"finish_reason": "tool_calls"}, "for the reason 'tool_calls'"),
        ({"pieces": (" ", "\n")}, "empty answer"),
        ({"pieces": (), "thoughts": ("Hm", "m")}, "thought for 3 characters and then answered nothing"),
    ],
)
def test_answers_that_are_none(server, answer, words):
    """Cut, filtered, empty, or thought without a word."""
    server.will(**answer)
    with pytest.raises(LLMProtocolError, match=words):
        _llm(server, max_tokens=3).generate("Say hello")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"<html>proxy error</html>\n", "no event of a stream"),
        (b'{"choices": [{"message": {"content": "whole"}}]}', "no event of a stream"),
        (b"\xff\xfe\n", "no event"),
        (b"data: {\n\n", "not JSON"),
        (b"data: [1]\n\n", "not a JSON object"),
        (b"data: {}\n\n", "without choices"),
        (b'data: {"choices": [3]}\n\n', "without choices"),
        (b'data: {"choices": [{"delta": "hi"}]}\n\n', "delta.content"),
        (b'data: {"choices": [{"delta": {"content": 3}}]}\n\n', "delta.content"),
        (b'error: {"message": "slot unavailable"}\n\n', "slot unavailable"),
        (b"", "without saying"),
        (b"data: [DONE]\n\n", "without saying"),
    ],
)
def test_garbage_in_the_stream(server, raw, words):
    """Nothing that is not the protocol becomes an answer."""
    server.will(raw=raw)
    with pytest.raises(LLMProtocolError, match=words):
        _llm(server).generate("Say hello")


def test_signs_of_life_are_no_answer(server):
    r"""Comments, other fields and \r\n belong to the protocol."""
    end = b'data: {"choices": [{"delta": {"content": "hi"}, "finish_reason": "stop"}]}'
    server.will(raw=b": ping\r\n\r\nevent: message\r\nid: 1\r\nretry: 5\r\n" + end)
    assert _llm(server).generate("Say hello") == "hi"


@pytest.mark.parametrize("text", ["a\x85b\u2028c\u2029d", "zeilen\r\nende\n", "日本語 ✓ 🎉", 'data: [DONE]"\\n'])
def test_the_answer_arrives_letter_for_letter(server, text):
    """Unicode's other line ends, and the protocol's own words, are text inside JSON."""
    server.will(pieces=("x", text, "y"))
    assert _llm(server).generate("echo") == f"x{text}y"


def test_silence_in_the_middle(server):
    """Once the first piece is there `timeout` holds."""
    server.will(pieces=("All", " good"), delay=100)
    with pytest.raises(LLMTimeout, match=r"silent for 0\.2 s"):
        _llm(server, timeout=0.2).generate("Say hello")


@pytest.mark.parametrize("body", [b"[]", b'{"data": 3}', b'{"data": ["a"]}', b"{}", b"\xff", b""])
def test_a_list_of_models_that_is_none(server, body):
    """Whatever stands in place of the list, the outcome is a sentence and not a traceback."""
    server.replaced["/v1/models"] = (200, body)
    llm = _llm(server)
    assert len(llm.missing()) == 1
    assert not llm.is_available()
    assert llm.identity == "openai tiny"


def test_nobody_there():
    """The message says how such servers are started, not how Ollama is."""
    llm = OpenAICompatibleLLM({"api_url": "http://127.0.0.1:9", "model": "m"})
    with pytest.raises(LLMUnavailable, match=r"llama-server.*set llm.api_url"):
        llm.generate("Say hello")
    llm.close()
    llm.close()
