"""ModelServer over real HTTP on loopback."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import httpx
import psutil
import pytest

from obra.domain import ScriptStep
from obra.replay.model_server import ModelServer

TOOLS = [{"name": "Bash"}]


def ask(*prompts: str, stream: bool = False) -> dict:
    """A request of a conversation in which each prompt but the last was answered."""
    messages = []
    for prompt in prompts:
        messages += [{"role": "user", "content": prompt}, {"role": "assistant", "content": "answered"}]
    return {"model": "some-model", "messages": messages[:-1], "tools": TOOLS, "stream": stream}


@pytest.fixture
def server(tmp_path: Path):
    """A server with two steps and counted tokens."""
    script = [ScriptStep(say="one"), ScriptStep(say="two", run=("ls",))]
    with ModelServer(script, workspace=tmp_path, tokens=(7, 3)) as opened:
        yield opened


def post(server: ModelServer, body: object, path: str = "/v1/messages?beta=true") -> httpx.Response:
    """Send *body* as the CLI does."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(server.base_url + path, content=content)


def test_answers_without_streaming(server: ModelServer):
    """A request without ``stream`` gets the whole message, with its model and the tokens."""
    answer = post(server, ask("go")).json()
    assert answer["content"] == [{"type": "text", "text": "one"}]
    assert (answer["model"], answer["stop_reason"]) == ("some-model", "end_turn")
    assert (answer["usage"]["input_tokens"], answer["usage"]["output_tokens"]) == (7, 3)


def test_answers_with_streaming(server: ModelServer):
    """A request with ``stream`` gets server-sent events that hold the tool call."""
    answer = post(server, ask("a", "b", stream=True))
    assert answer.headers["content-type"] == "text/event-stream"
    assert "tool_use" in answer.text
    assert answer.text.rstrip().endswith('data: {"type": "message_stop"}')


def test_a_prompt_beyond_the_script_is_refused_and_kept_as_error(server: ModelServer):
    """The CLI gets a 400 that it does not repeat, and the owner can read why."""
    assert server.error == ""
    answer = post(server, ask("a", "b", "c"))
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert "the script has 2 step(s), prompt 3 was sent" in answer.json()["error"]["message"]
    assert server.error == answer.json()["error"]["message"]


def test_a_used_up_script_of_a_resumed_run_says_what_was_played_before(tmp_path: Path):
    """Also where nothing of it is left, which is not the same as no script."""
    for left in ([], [ScriptStep(say="three")]):
        with ModelServer(left, workspace=tmp_path, played=2) as server:
            told = post(server, ask("a", "b")).json()["error"]["message"]
            assert told.endswith("(2 step(s) were played before it was interrupted)")
            assert server.error.startswith("the script has ")


def test_edits_look_into_the_workspace(tmp_path: Path):
    """An edit is checked against the real file, in whatever encoding it is."""
    (tmp_path / "a.bin").write_bytes(b"\xff needle")
    step = ScriptStep(edit={"a.bin": ("needle", "thread"), "folder": ("x", "y")})
    (tmp_path / "folder").mkdir()
    with ModelServer([step], workspace=tmp_path) as server:
        assert post(server, ask("go")).json()["content"][0]["name"] == "Read"
        done = {"type": "tool_use", "id": "toolu_obra_1_1", "name": "Edit", "input": {}}
        messages = [{"role": "user", "content": "go"}, {"role": "assistant", "content": [done]}]
        answer = post(server, {"messages": messages, "tools": TOOLS})
        assert "no such file" in answer.json()["error"]["message"]


def test_other_paths_of_the_api(server: ModelServer):
    """What some versions ask beside messages is answered; anything else is a 404."""
    assert httpx.head(server.base_url + "/").status_code == 200
    assert httpx.head(server.base_url + "/api/hello").status_code == 200
    assert httpx.get(server.base_url + "/api/hello").json() == {}
    assert httpx.get(server.base_url + "/v1/models").json()["data"]
    assert post(server, ask("go"), "/v1/messages/count_tokens").json()["input_tokens"] > 0
    assert httpx.get(server.base_url + "/v1/unknown").status_code == 404
    assert post(server, ask("go"), "/v1/complete").status_code == 404
    assert server.requests == 0


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"\xff"])
def test_a_body_that_is_no_request_is_a_400(server: ModelServer, body: bytes):
    """Nonsense is refused, and the next request is answered."""
    assert post(server, body).status_code == 400
    assert post(server, ask("go")).status_code == 200


def test_counts_requests_from_many_at_once(server: ModelServer):
    """Requests that come at the same time are all answered and all counted."""
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(post(server, ask("go")).status_code)) for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 16
    assert server.requests == 16


def test_close_leaves_no_thread_and_no_socket(tmp_path: Path):
    """Even with clients that hold connections open, or sent half a request, everything is gone after close."""
    before = set(threading.enumerate())
    server = ModelServer([ScriptStep(say="one")], workspace=tmp_path)
    with server:
        port = int(server.base_url.rsplit(":", 1)[1])
        idle = socket.create_connection(("127.0.0.1", port))
        half = socket.create_connection(("127.0.0.1", port))
        half.sendall(b"POST /v1/messages HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
        with httpx.Client() as client:
            client.post(server.base_url + "/v1/messages", json=ask("go"))
            server.close()
    assert set(threading.enumerate()) <= before
    mine = [item for item in psutil.Process().net_connections("tcp") if item.laddr.port == port]
    assert mine == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    server.close()
    idle.close()
    half.close()


def test_a_client_that_leaves_is_no_error(tmp_path: Path):
    """A connection that is cut before the answer leaves no message and no trace."""
    with ModelServer([ScriptStep(say="x" * 5_000_000)], workspace=tmp_path) as server:
        port = int(server.base_url.rsplit(":", 1)[1])
        body = json.dumps(ask("go")).encode()
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"POST /v1/messages HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            client.recv(10)
        assert post(server, ask("go")).status_code == 200
        assert server.error == ""


def test_base_url_needs_an_open_server(tmp_path: Path):
    """Asking a closed server for its address says what to do."""
    with pytest.raises(RuntimeError, match="use it in a with statement"):
        _ = ModelServer([], workspace=tmp_path).base_url
