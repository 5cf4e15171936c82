from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import psutil
import pytest
from ever_longer import with_time

from obra.errors import (
    ConfigError,
    LLMError,
    LLMProtocolError,
    LLMTimeout,
    LLMUnavailable,
    ModelMissing,
)
from obra.llm.local_llm_interface import LocalLLMInterface
from obra.plugins import LLMPlugin, find_plugin
from obra.testing import check_llm


def _llm(server, **settings):
    return LocalLLMInterface({"type": "ollama", "api_url": server.url, "model": "llama3.2", **settings})


@pytest.fixture
def dead_url():
    """The address of a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_says_hello(ollama):
    """The plan's own snippet: three settings, one prompt, an answer with hello in it."""
    llm = LocalLLMInterface({"type": "ollama", "api_url": ollama.url, "model": "llama3.2"})
    assert "hello" in llm.generate("Say hello").lower()


def test_is_the_plugin_called_ollama():
    """The entry point leads here, and the class fulfils the protocol."""
    assert find_plugin("obra.llms", "ollama") is LocalLLMInterface
    assert isinstance(LocalLLMInterface({"api_url": "http://localhost:1", "model": "m"}), LLMPlugin)


def test_keeps_the_contract_of_all_llms(ollama, dead_url):
    """The suite that strangers' adapters must pass, with a server and without one."""
    for pieces in (("Hello",), ("Servus",), ('{"score":', " 1}")):
        ollama.will(pieces=pieces)
    check_llm(
        lambda: _llm(ollama),
        schema={"type": "object"},
        unreachable=lambda: LocalLLMInterface({"api_url": dead_url, "model": "m"}),
    )


def test_every_setting_reaches_the_wire_where_ollama_reads_it(ollama):
    """Window, limit, temperature and seed stand in options; truncate, shift and think beside them."""
    schema = {"type": "object", "properties": {"score": {"type": "number"}}}
    llm = _llm(ollama, temperature=0.7, max_tokens=100, context_tokens=2048, seed=9)
    ollama.will(pieces=('{"score": 1}',))
    llm.generate("Judge ✓", schema=schema)
    assert ollama.chats == [
        {
            "model": "llama3.2",
            "messages": [{"role": "user", "content": "Judge ✓"}],
            "stream": True,
            "think": False,
            "keep_alive": "5m",
            "truncate": False,
            "shift": False,
            "options": {"num_ctx": 2048, "num_predict": 100, "temperature": 0.7, "seed": 9},
            "format": schema,
        }
    ]


@pytest.mark.parametrize(("given", "sent"), [(None, 3), (0, 0), (9, 9)])
def test_a_seed_of_the_question_goes_before_the_setting(ollama, given, sent):
    """Samples differ by their seed, and 0 is a seed."""
    _llm(ollama, seed=3).generate("Say hello", seed=given)
    assert ollama.chats[0]["options"]["seed"] == sent


def test_without_a_schema_no_format_is_sent(ollama):
    """Free text is free: the request has no format at all."""
    _llm(ollama).generate("Say hello")
    assert "format" not in ollama.chats[0]


@pytest.mark.parametrize(
    "text", ["a\x85b\u2028c\u2029d\x0be\x0cf\x1cg", "zeilen\r\nende\n", "日本語 ✓ 🎉", '{"a": "\\n"}', "\x00"]
)
def test_the_answer_arrives_letter_for_letter(ollama, text):
    """Unicode's other line ends inside the JSON are text and not the end of a line."""
    ollama.will(pieces=("x", text, "y"))
    assert _llm(ollama).generate("echo") == f"x{text}y"


def test_a_prompt_with_half_a_surrogate_pair_is_sent(ollama):
    """File names that are not UTF-8 come as lone surrogates; they must not break the request."""
    _llm(ollama).generate("odd\udcff.txt")
    assert ollama.chats[0]["messages"][0]["content"] == "odd\\udcff.txt"


def test_too_long_a_prompt_is_refused_before_sending(ollama):
    """The message has all four numbers, and the server hears nothing."""
    llm = _llm(ollama, context_tokens=2000, max_tokens=1000)
    with pytest.raises(LLMProtocolError, match=r"about 901 tokens, and only 900 .* 2000 .* 1000"):
        llm.generate("x" * 2701)
    assert ollama.requests == []


def test_the_longest_safe_prompt_is_sent(ollama):
    """One byte less than the limit goes through, and nothing is cut."""
    llm = _llm(ollama, context_tokens=2000, max_tokens=1000)
    assert llm.generate("x" * 2700) == "Hello!"


def test_other_scripts_count_by_bytes(ollama):
    """A thousand Chinese characters are about a thousand tokens and not a third of them."""
    with pytest.raises(LLMProtocolError, match="about 1000 tokens"):
        _llm(ollama, context_tokens=1100, max_tokens=100).generate("字" * 1000)


def test_nobody_at_the_address(dead_url):
    """A refused connection names the address and the command that starts a server."""
    llm = LocalLLMInterface({"api_url": dead_url, "model": "m"})
    with pytest.raises(LLMUnavailable, match=rf"{dead_url} .*`ollama serve`"):
        llm.generate("Say hello")
    assert not llm.is_available()
    assert llm.identity == "ollama m"
    (sentence,) = llm.missing()
    assert "ollama serve" in sentence


def test_a_model_that_is_not_pulled(ollama):
    """The message has the command that gets it and the models that are there."""
    llm = _llm(ollama, model="qwen2.5-coder:32b")
    with pytest.raises(ModelMissing, match=r"`obra llm pull qwen2.5-coder:32b`.*: llama3.2:latest, tiny:1b"):
        llm.generate("Say hello")
    (sentence,) = llm.missing()
    assert "obra llm pull qwen2.5-coder:32b" in sentence
    assert llm.identity == "ollama qwen2.5-coder:32b"
    assert llm.is_available()


def test_an_empty_server_lists_none(ollama):
    """With no model at all the list says so; Go writes the empty list as null."""
    ollama.models.clear()
    ollama.replaced["/api/tags"] = (200, b'{"models": null}')
    with pytest.raises(ModelMissing, match="one that is there: none"):
        _llm(ollama).generate("Say hello")


def test_an_address_that_is_no_ollama(ollama):
    """A web server that knows none of the paths is not taken for an Ollama without models."""
    page = (404, b"<html>nothing here</html>")
    ollama.replaced.update({"/api/chat": page, "/api/tags": page, "/api/ps": page, "/api/version": page})
    llm = _llm(ollama)
    with pytest.raises(LLMProtocolError, match=r"nothing here.*check llm.api_url"):
        llm.generate("Say hello")
    assert not llm.is_available()
    assert "check llm.api_url" in llm.missing()[0]


@pytest.mark.parametrize("body", [b"[]", b'{"models": 3}', b'{"models": ["a"]}', b"{}", b"\xff", b""])
def test_a_list_of_models_that_is_none(ollama, body):
    """Whatever stands in place of the list, the outcome is a sentence and not a traceback."""
    ollama.replaced["/api/tags"] = (200, body)
    llm = _llm(ollama)
    assert len(llm.missing()) == 1
    assert llm.identity == "ollama llama3.2"


def test_a_full_queue(ollama):
    """Status 503 means come back later: unavailable, with the server's words."""
    ollama.will(status=503, error="server busy, please try again.  maximum pending requests exceeded")
    with pytest.raises(LLMUnavailable, match="maximum pending requests exceeded"):
        _llm(ollama).generate("Say hello")


@pytest.mark.parametrize("status", [302, 400, 500, 502])
def test_any_other_status_carries_the_servers_words(ollama, status):
    """What the server said stands in the error, with the status."""
    ollama.will(status=status, error="model runner has unexpectedly stopped")
    with pytest.raises(LLMProtocolError, match=f"{status}.*unexpectedly stopped") as caught:
        _llm(ollama).generate("Say hello")
    assert caught.value.__cause__ is not caught.value


def test_nothing_is_tried_twice(ollama):
    """Trying again is the loop's business: one failure, one request."""
    ollama.will(status=500, error="once")
    with pytest.raises(LLMProtocolError, match="once"):
        _llm(ollama).generate("Say hello")
    assert len(ollama.chats) == 1


def test_an_error_line_under_status_200(ollama):
    """A failure in the middle of the stream is no short answer."""
    ollama.will(pieces=("All", " good"), error="an error was encountered while running the model")
    with pytest.raises(LLMProtocolError, match=r"after 8 characters.*while running the model"):
        _llm(ollama).generate("Say hello")


def test_a_stream_that_ends_too_soon(ollama):
    """Without done the answer is not complete, however good it reads."""
    ollama.will(pieces=("All", " good"), is_done=False)
    with pytest.raises(LLMProtocolError, match="without saying that it is done"):
        _llm(ollama).generate("Say hello")


def test_a_connection_that_breaks(ollama):
    """A server that dies inside a piece is a broken answer and not a short one."""
    ollama.will(pieces=("All", " good"), resets=True)
    with pytest.raises(LLMProtocolError, match="broke off before its answer was complete"):
        _llm(ollama).generate("Say hello")


def test_an_answer_cut_at_the_limit(ollama):
    """An answer that ran into max_tokens is none, and the message says which number to raise."""
    ollama.will(pieces=("a", "b", "c", "d"))
    with pytest.raises(LLMProtocolError, match=r"llm.max_tokens = 3.*'abc'"):
        _llm(ollama, max_tokens=3).generate("Say hello")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"<html>proxy error</html>\n", "not JSON.*proxy error"),
        (b"\xff\xfe\n", "not JSON"),
        (b"[1, 2]\n", "not a JSON object"),
        (b'"done"\n', "not a JSON object"),
        (b'{"message": "hi", "done": true}\n', "message.content"),
        (b'{"message": {"content": null}, "done": true}\n', "message.content"),
        (b'{"message": {"content": "hi"}, "done": "true"}\n', "without saying that it is done"),
        (b'{"message": {"content": "hi"}, "do', "not JSON"),
        (b'{"error": {"message": "inside"}}', "inside"),
        (b"", "without saying"),
        (b"\n\n\n", "without saying"),
    ],
)
def test_garbage_in_the_stream(ollama, raw, words):
    """Nothing that is not the protocol becomes an answer."""
    ollama.will(raw=raw)
    with pytest.raises(LLMProtocolError, match=words):
        _llm(ollama).generate("Say hello")


def test_a_last_line_without_its_line_end(ollama):
    """The end of the stream ends the last line too."""
    ollama.will(raw=b'{"message": {"content": "hi"}, "done": true}')
    assert _llm(ollama).generate("Say hello") == "hi"


def test_an_endless_line(ollama):
    """A stream without line ends is stopped before it fills the memory."""
    ollama.will(raw=b"x" * 5_000_000)
    with pytest.raises(LLMProtocolError, match="line of more than"):
        _llm(ollama).generate("Say hello")


@pytest.mark.parametrize("pieces", [(), ("",), (" ", "\n", "\t")])
def test_an_empty_answer(ollama, pieces):
    """White space alone, which grammars may loop in, is no answer."""
    ollama.will(pieces=pieces)
    with pytest.raises(LLMProtocolError, match="empty answer"):
        _llm(ollama).generate("Say hello")


def test_silence_before_the_first_piece_of_a_loaded_model(ollama):
    """A model that is in memory has `timeout` seconds for its first word."""
    ollama.loaded["llama3.2:latest"] = 16384
    ollama.will(first_delay=100)
    with pytest.raises(LLMTimeout, match=r"silent for 0\.2 s"):
        _llm(ollama, timeout=0.2).generate("Say hello")


@pytest.mark.parametrize("loaded", [{}, {"tiny:1b": 16384}, {"llama3.2:latest": 4096}])
def test_a_model_that_must_load_first_is_given_time(ollama, loaded):
    """Not in memory, or with another window than ours: then `timeout` does not hold for the first word."""

    def ask(timeout):
        ollama.loaded = dict(loaded)
        ollama.will(first_delay=2 * timeout)
        return _llm(ollama, timeout=timeout).generate("Say hello")

    assert with_time(ask, 0.2, 3, 30) == "Hello!"


def test_a_server_that_cannot_say_what_is_loaded_is_given_time(ollama):
    """The question is a courtesy: without an answer to it the generous limit holds."""
    ollama.replaced["/api/ps"] = (500, b"no")

    def ask(timeout):
        ollama.will(first_delay=2 * timeout)
        return _llm(ollama, timeout=timeout).generate("Say hello")

    assert with_time(ask, 0.2, 3, 30) == "Hello!"


def test_silence_in_the_middle_of_a_cold_answer(ollama):
    """Once the first piece is there the model is loaded, and `timeout` holds."""
    ollama.will(pieces=("All", " good"), delay=100)
    with pytest.raises(LLMTimeout, match=r"silent for 0\.2 s"):
        _llm(ollama, timeout=0.2).generate("Say hello")


def test_slow_but_steady_is_no_silence(ollama):
    """The limit is for the gap between two pieces and not for the whole answer."""

    def ask(timeout):
        ollama.will(pieces=list("abcdefgh"), delay=timeout / 4)
        return _llm(ollama, timeout=timeout).generate("Say hello")

    assert with_time(ask, 0.2, 3, 30) == "abcdefgh"


def test_a_server_that_cuts_the_prompt_in_silence(ollama):
    """An old server ignores truncate=false; the count it reports gives it away."""
    ollama.window_limit, ollama.keeps_truncate = 4096, False
    with pytest.raises(LLMProtocolError, match="read 2050 tokens of a prompt of about 10000"):
        _llm(ollama).generate("x" * 30_000)


def test_a_server_that_refuses_to_cut(ollama):
    """Today's server says it in words when the window is smaller than asked for."""
    ollama.window_limit = 4096
    with pytest.raises(LLMProtocolError, match="exceeds the context length"):
        _llm(ollama).generate("x" * 30_000)


@pytest.mark.parametrize("count", [None, 0, 7_500, 30_000])
def test_plausible_counts_pass(ollama, count):
    """The count may be missing, and otherwise anything that the text can really have."""
    ollama.will(prompt_tokens=count)
    assert _llm(ollama).generate("x" * 30_000) == "Hello!"


def test_identity_has_the_digest_and_asks_once(ollama):
    """Twelve digits of the digest tell two pulls of one name apart."""
    llm = _llm(ollama)
    assert llm.identity == llm.identity == "ollama llama3.2@aaaaaaaaaaaa"
    assert [request.path for request in ollama.requests] == ["/api/tags"]


def test_a_name_in_capitals_is_the_same_model(ollama):
    """Ollama does not tell capitals from small letters."""
    assert _llm(ollama, model="Tiny:1B").missing() == ()


def test_all_there(ollama):
    """With server and model in place nothing is missing."""
    llm = _llm(ollama)
    assert llm.is_available()
    assert llm.missing() == ()


def test_closing_twice_and_going_on(ollama):
    """Close frees what is held and forbids nothing."""
    llm = _llm(ollama)
    llm.generate("Say hello")
    llm.close()
    llm.close()
    assert llm.generate("Say hello") == "Hello!"


def test_one_who_never_closes_leaves_no_socket(ollama):
    """The protocol has no close, so dropping the object must be enough."""
    llm = _llm(ollama)
    llm.generate("Say hello")
    llm.is_available()
    port = int(ollama.url.rpartition(":")[2])
    connections = psutil.Process().net_connections("tcp")
    assert any(connection.laddr.port == port for connection in connections)  # the server is seen at all
    assert not [connection for connection in connections if connection.raddr and connection.raddr.port == port]


def test_a_proxy_in_the_environment_is_not_asked_about_this_machine(ollama, dead_url):
    """Many shells name a proxy and no exception for loopback; the server here is reached all the same."""
    program = (
        "import json, sys; from obra.llm.local_llm_interface import LocalLLMInterface as L;"
        "print(L(json.loads(sys.argv[1])).generate('Say hello'))"
    )
    proxies = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"), dead_url)
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps({"api_url": ollama.url, "model": "llama3.2"})],
        env={**os.environ, **proxies, "no_proxy": "", "NO_PROXY": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("Hello!\n", "")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": ""}, "lack model"),
        ({"api_url": None}, "lack api_url"),
        ({"temprature": 1}, "did you mean 'temperature'"),
        ({"timeout": 0}, "timeout"),
        ({"max_tokens": 16384}, "no room for a prompt"),
        ({"api_url": "localhost:11434"}, "must look like"),
        ({"api_url": "ftp://localhost"}, "must look like"),
        ({"api_url": "http://"}, "must look like"),
        ({"api_url": "http://localhost:port"}, "no address"),
        ({"api_url": "http://[::1"}, "no address"),
        ({"api_url": "http://localhost:11434/v1/"}, "leave out '/v1'"),
        ({"api_url": "http://localhost:11434?x=1"}, "must look like"),
    ],
)
def test_settings_that_cannot_be(change, words):
    """A wrong setting is told at once and not at the first prompt."""
    with pytest.raises(ConfigError, match=words):
        LocalLLMInterface({"api_url": "http://localhost:11434", "model": "m", **change})


def test_an_address_that_only_httpx_rejects():
    """What passes the first look and not the second is a setting all the same."""
    llm = LocalLLMInterface({"api_url": "http://a\x01b", "model": "m"})
    with pytest.raises(ConfigError, match="no address"):
        llm.generate("Say hello")


def test_a_password_in_the_address_is_never_shown(dead_url):
    """Messages end up in reports."""
    llm = LocalLLMInterface({"api_url": dead_url.replace("//", "//me:secret@"), "model": "m"})
    with pytest.raises(LLMError) as caught:
        llm.generate("Say hello")
    assert "secret" not in str(caught.value)


def test_importing_it_does_not_import_httpx():
    """Start-up stays cheap: httpx is loaded with the first request."""
    program = "import sys, obra.llm.local_llm_interface; print('httpx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
