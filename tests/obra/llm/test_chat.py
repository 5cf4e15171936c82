from __future__ import annotations

import json

import pytest

from obra.errors import LLMProtocolError, LLMUnavailable
from obra.llm.local_llm_interface import LocalLLMInterface
from obra.llm.schema_check import problem_of, unwrapped

SCHEMA = {
    "type": "object",
    "properties": {"score": {"type": "number", "maximum": 100}, "verdict": {"enum": ["yes", "no"]}},
    "required": ["score"],
    "additionalProperties": False,
}
GOOD = '{"score": 7}'


def _llm(server, **settings):
    return LocalLLMInterface({"type": "ollama", "api_url": server.url, "model": "llama3.2", **settings})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (GOOD, ""),
        ('{"score": 100, "verdict": "no"}', ""),
        ('{"score": 101}', r"at $.score: 101 is greater than the maximum of 100"),
        ('{"score": "7"}', "at $.score: '7' is not of type 'number'"),
        ("{}", "at $: 'score' is a required property"),
        ('{"score": 1, "verdict": "perhaps"}', "at $.verdict: 'perhaps' is not one of"),
        ('{"score": 1, "extra": 1}', "'extra' was unexpected"),
        ("[7]", "at $: [7] is not of type 'object'"),
        ('{"score": 1, "score": 2}', "a key stands in it twice"),
        ('{"score": NaN}', "NaN is no JSON number"),
        ('{"score": 7', "not JSON"),
        ("PASS", "not JSON"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_what_is_wrong_with_a_form(text, problem):
    """The problem is named with its place; what fits has none."""
    found = problem_of(text, SCHEMA)
    assert problem in found
    assert bool(found) is bool(problem)
    assert len(found) < 400


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        (GOOD, GOOD),
        (f"  {GOOD}\n", GOOD),
        (f"```json\n{GOOD}\n```", GOOD),
        (f"```\n{GOOD}\n```\n", GOOD),
        (f"<think>Hm. {{}}\n</think>\n\n{GOOD}", GOOD),
        (f"Here it is:\n```json\n{GOOD}\n```", f"Here it is:\n```json\n{GOOD}\n```"),  # prose is no wrapping
    ],
)
def test_a_wrapping_is_taken_off(text, bare):
    """A fence round everything and thinking before it are no part of the answer."""
    assert unwrapped(text) == bare


def test_an_answer_that_fits_is_asked_for_once(ollama):
    """No repair where nothing is broken."""
    ollama.will(pieces=(GOOD,))
    assert _llm(ollama).generate("Judge", schema=SCHEMA) == GOOD
    assert len(ollama.chats) == 1


def test_a_wrong_form_is_repaired_once(ollama):
    """The second request holds the first, the answer, and what was wrong with it; the seed stays."""
    ollama.will(pieces=('{"score": 700}',))
    ollama.will(pieces=(GOOD,))
    assert _llm(ollama).generate("Judge", schema=SCHEMA, seed=5) == GOOD
    first, second = ollama.chats
    assert second["messages"][:2] == [*first["messages"], {"role": "assistant", "content": '{"score": 700}'}]
    assert "700 is greater than the maximum" in second["messages"][2]["content"]
    assert json.dumps(SCHEMA) in second["messages"][2]["content"]
    assert first["format"] == second["format"] == SCHEMA
    assert first["options"] == second["options"]
    assert first["options"]["seed"] == 5


def test_a_form_that_stays_wrong(ollama):
    """Two are enough: then it is an error that names both problems."""
    ollama.will(pieces=("PASS!",))
    ollama.will(pieces=('{"verdict": "yes"}',))
    with pytest.raises(LLMProtocolError, match=r"not JSON.*'score' is a required.*keeps to a JSON schema"):
        _llm(ollama).generate("Judge", schema=SCHEMA)
    assert len(ollama.chats) == 2


def test_a_fault_during_the_repair_is_told_and_not_retried(ollama):
    """The repair is of a form; what the server breaks stays broken."""
    ollama.will(pieces=("PASS!",))
    ollama.will(status=500, error="out of memory")
    with pytest.raises(LLMProtocolError, match="out of memory"):
        _llm(ollama).generate("Judge", schema=SCHEMA)
    assert len(ollama.chats) == 2


def test_a_repair_that_does_not_fit_into_the_window(ollama):
    """The prompt fits, the prompt with the bad answer does not: nothing more is sent."""
    ollama.will(pieces=("x" * 2000,), prompt_tokens=None)
    llm = _llm(ollama, context_tokens=2000, max_tokens=1000)
    with pytest.raises(LLMProtocolError, match=r"not the form.*not JSON.*Asking again is not possible.*not sent"):
        llm.generate("y" * 2000, schema=SCHEMA)
    assert len(ollama.chats) == 1


def test_an_answer_without_a_schema_is_as_it_came(ollama):
    """Nothing is taken off where no form was asked for."""
    ollama.will(pieces=("```\nx\n```\n",))
    assert _llm(ollama).generate("Say hello") == "```\nx\n```\n"


def test_a_model_that_thinks_and_says_nothing(ollama):
    """A thinking model whose answer is empty is told from one that is merely silent."""
    ollama.will(thoughts=("Hm, ", "well"), pieces=())
    with pytest.raises(LLMProtocolError, match="thought for 8 characters and then answered nothing"):
        _llm(ollama).generate("Judge", schema=SCHEMA)


def test_a_model_that_thinks_until_the_limit(ollama):
    """The thinking counts against max_tokens, and the message says so."""
    ollama.will(thoughts=("Hm",), pieces=("{",), done_reason="length")
    with pytest.raises(LLMProtocolError, match=r"cut off at llm.max_tokens = 4096 \(2 characters of thinking"):
        _llm(ollama).generate("Judge", schema=SCHEMA)


def test_thinking_is_no_part_of_the_answer(ollama):
    """What a model thought is neither returned nor checked."""
    ollama.will(thoughts=('{"score": 100}',), pieces=(GOOD,))
    assert _llm(ollama).generate("Judge", schema=SCHEMA) == GOOD


def test_an_unknown_reason_to_end(ollama):
    """Only an answer that ended because it was complete is one."""
    ollama.will(done_reason="unload")
    with pytest.raises(LLMProtocolError, match="for the reason 'unload'"):
        _llm(ollama).generate("Say hello")


@pytest.mark.parametrize(
    ("status", "words"),
    [(499, "proxy with a time limit"), (429, "llm.parallel"), (401, "llm.api_key"), (403, "llm.api_key")],
)
def test_a_server_that_does_not_let_us(ollama, status, words):
    """Each way to be turned away names its cure, with the server's words."""
    ollama.will(status=status, error="go away")
    with pytest.raises(LLMUnavailable, match=rf"'go away'.*{words}"):
        _llm(ollama).generate("Say hello")


def test_a_window_smaller_than_asked_for_is_found_after_the_answer(ollama):
    """A short prompt fits in any window, so only /api/ps can tell that a long one would not."""
    ollama.window_limit = 4096
    with pytest.raises(LLMProtocolError, match=r"window of 4096 tokens, and 16384.*llm.context_tokens to 4096"):
        _llm(ollama).generate("Say hello")


def test_the_window_is_looked_at_once(ollama):
    """After it was right, one question is two requests: what is loaded, and the question."""
    llm = _llm(ollama)
    llm.generate("Say hello")
    ollama.requests.clear()
    llm.generate("Say hello")
    assert [request.path for request in ollama.requests] == ["/api/ps", "/api/chat"]


def test_a_server_that_tells_no_window_is_believed(ollama):
    """Servers before context_length stood in /api/ps are judged by the token count alone."""
    ollama.replaced["/api/ps"] = (200, b'{"models": [{"name": "llama3.2:latest"}]}')
    assert _llm(ollama).generate("Say hello") == "Hello!"


def test_preload_loads_with_our_window(ollama):
    """An empty /api/generate loads the model; the next question need not wait for that."""
    llm = _llm(ollama, context_tokens=9000, keep_alive="2h")
    llm.preload()
    [request] = [one for one in ollama.requests if one.path == "/api/generate"]
    assert request.body == {
        "model": "llama3.2", "stream": False, "keep_alive": "2h", "options": {"num_ctx": 9000},
    }  # fmt: skip
    assert ollama.loaded == {"llama3.2:latest": 9000}
    assert ollama.chats == []


def test_preload_of_a_model_with_too_small_a_window(ollama):
    """Preloading finds what a first question would."""
    ollama.window_limit = 2048
    with pytest.raises(LLMProtocolError, match="window of 2048"):
        _llm(ollama).preload()


def test_the_key_is_sent_and_never_shown(ollama):
    """A server that repeats the key in its refusal does not get it into a message."""
    ollama.will(status=401, error="invalid key sk-secret-1")
    with pytest.raises(LLMUnavailable) as caught:
        _llm(ollama, api_key="sk-secret-1").generate("Say hello")
    assert "sk-secret-1" not in str(caught.value)
    assert "***" in str(caught.value)
