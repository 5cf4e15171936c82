"""Nothing of a person, a machine or a key comes into a cassette, whatever is said and however it is cut."""

from __future__ import annotations

import getpass
import json
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from obra.replay.loopback import Loopback
from obra.replay.recorder import Recorder
from obra.replay.redacting import keys_in, names_of, personal, replaced

KEY, TOKEN, FOUND = "sk-ant-very-secret-0123456789", "oauth+token/4711==", "ghp_" + "a1B2" * 9
USER, HOST, HOME = "wilhelmina", "wilhelminas-desk.example.org", "/srv/people/wilhelmina"
SECRETS = (KEY, TOKEN, FOUND, USER, HOST, HOST.partition(".")[0], HOME)
SESSION = "0b6e6a3c-session-of-hers"
EVENTS: dict[str, Any] = {
    "messages": lambda text: {"type": "content_block_delta", "index": 0, "delta": {"type": "t", "text": text}},
    "input": lambda text: {"type": "response.output_text.delta", "delta": text},
    "chat": lambda text: {"choices": [{"index": 0, "delta": {"content": text}}]},
    "contents": lambda text: {"candidates": [{"content": {"parts": [{"text": text}]}}]},
}
"""How each dialect streams a piece of a text."""


class Upstream:
    """A model that answers with given bytes."""

    def __init__(self) -> None:
        self.answer = b""

    def report(self, error: str) -> None:
        """Nothing may go wrong here."""
        raise AssertionError(error)


class Handler(BaseHTTPRequestHandler):
    """Answers anything with the server's bytes, as events."""

    server: Any
    kinds: ClassVar[str] = "text/event-stream"

    def do_POST(self) -> None:
        """Send them, whatever was asked."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", self.kinds)
        self.end_headers()
        self.wfile.write(self.server.owner.answer)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is the base class's
        """Print nothing."""


@pytest.fixture
def upstream():
    """A running one, and its address."""
    model = Upstream()
    server = Loopback(Handler, model)
    server.open()
    yield model, server.base_url
    server.close()


words = st.sampled_from(
    [*SECRETS, SESSION, f"{HOME}/notes.txt", f"-{USER}-", f"/home/{USER}/.ssh", "said", " ", "\n", '"', "ü"]
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    dialect=st.sampled_from(sorted(EVENTS)),
    asked=st.lists(words, max_size=8),
    said=st.lists(words, max_size=8),
    cuts=st.lists(st.integers(1, 12), min_size=1, max_size=4),
)
def test_no_key_path_or_name_is_in_a_cassette(upstream, tmp_path, monkeypatch, *, dialect, asked, said, cuts):
    """Whatever is asked and answered, in every dialect, and wherever the stream is cut."""
    monkeypatch.setenv("HOME", HOME)
    monkeypatch.setenv("LOGNAME", USER)
    model, address = upstream
    text, pieces, size = " ".join(said), [], 0
    while text:
        size += 1
        cut = cuts[size % len(cuts)]
        pieces.append(text[:cut])
        text = text[cut:]
    model.answer = b"".join(f"data: {json.dumps(EVENTS[dialect](piece))}\n\n".encode() for piece in pieces)
    question = [{"role": "user", "content": [{"type": "text", "text": " ".join(asked)}]}]
    name = {"chat": "messages"}.get(dialect, dialect)
    headers = {"x-api-key": KEY, "Authorization": f"Bearer {TOKEN}", "X-Claude-Code-Session-Id": SESSION}
    tape = tmp_path / "one.jsonl"
    with Recorder(address, workspace=tmp_path / "work", cassette=tape) as recorder:
        recorder.paths |= personal(names_of(USER, HOST))  # a machine's name cannot be changed for a test
        assert httpx.post(recorder.base_url, json={name: question}, headers=headers).content == model.answer
    lines = [json.loads(line) for line in tape.read_text(encoding="utf-8").splitlines()]
    whole = "".join(text for line in lines if "data" in line for text in texts_in(line["data"]))
    shown = tape.read_text(encoding="utf-8") + whole
    for secret in (*SECRETS, SESSION):
        assert secret not in shown, secret
    assert socket.gethostname() not in shown
    assert getpass.getuser() == USER


def texts_in(value: Any) -> Iterator[str]:
    """Yield what a piece of a stream says."""
    for key, one in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(one, (dict, list)):
            yield from texts_in(one)
        elif key in ("text", "content", "delta"):
            yield one


def test_nobodys_names_and_parts_of_words_stay():
    """``root`` is an account on every machine and a word of English; a name within a word is another word."""
    found = personal(names_of("root", "localhost.localdomain")) | personal(names_of("anna", "oak"))
    assert set(found) == {"localhost.localdomain", "anna", "oak"}
    assert replaced("anna's root: savanna, soaked, -home-anna-x, oak", found) == (
        "{USER}'s root: savanna, soaked, -home-{USER}-x, {HOST}"
    )


@pytest.mark.parametrize("key", [KEY, FOUND, "AKIA" + "ABCD" * 4, "AIza" + "x" * 35, "xoxb-1234567890-abc"])
def test_keys_are_known_by_their_look(key: str):
    """A key that an agent reads out of a file was in no header, and is found all the same."""
    assert keys_in(f"export KEY={key}\n") == {key: "{KEY}"}
    assert keys_in("sk-short, ghp_x and task-list-of-a-long-name") == {}
