from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from ever_longer import with_time

from obra.errors import LLMTimeout
from obra.llm.local_llm_interface import LocalLLMInterface
from obra.llm.server_address import ServerAddress
from obra.llm.server_slots import ServerSlots

ASK = """
import json, sys
from obra.llm.local_llm_interface import LocalLLMInterface
llm = LocalLLMInterface(json.loads(sys.argv[1]))
for _ in range(3):
    llm.generate("Say hello")
"""
HOLD = """
import sys, time
from obra.llm.server_slots import ServerSlots
with ServerSlots(sys.argv[1], 1).held():
    print("held", flush=True)
    time.sleep(60)
"""


def _started(server, count, **settings):
    config = json.dumps({"api_url": server.url, "model": "llama3.2", **settings})
    return [subprocess.Popen([sys.executable, "-c", ASK, config], stderr=subprocess.PIPE) for _ in range(count)]


def _ended(processes):
    return [(process.communicate()[1], process.returncode) for process in processes]


@pytest.mark.parametrize("parallel", [1, 2])
def test_no_more_at_once_than_the_server_works_on(ollama, parallel):
    """Three processes, each with three questions; the server refuses one too many, and has none to refuse."""
    ollama.limit = parallel
    for _ in range(9):
        ollama.will(delay=0.03)
    for error, code in _ended(_started(ollama, 3, parallel=parallel)):
        assert (error, code) == (b"", 0)
    assert ollama.overrun == 0
    assert len(ollama.chats) == 9


def test_the_server_of_these_tests_can_be_overrun(ollama):
    """With more allowed than it works on, the same traffic is refused: the test above can fail."""
    ollama.limit = 1
    first = threading.Event()
    ollama.will(held=first)
    try:
        processes = _started(ollama, 3, parallel=3)
        end = time.monotonic() + 60
        while not ollama.overrun:  # while the first is at work, a second one comes
            assert time.monotonic() < end
            time.sleep(0.01)
    finally:
        first.set()
    assert any(b"too busy" in error for error, _ in _ended(processes))


def test_the_time_limit_starts_when_the_slot_is_held(ollama):
    """Three questions one at a time, each of two thirds of the limit: none is late."""
    ollama.loaded["llama3.2:latest"] = 16384

    def ask(timeout):
        for _ in range(3):
            ollama.will(first_delay=timeout * 2 / 3)
        llm = LocalLLMInterface({"api_url": ollama.url, "model": "llama3.2", "timeout": timeout})
        with ThreadPoolExecutor(3) as pool:
            asked = [pool.submit(llm.generate, "Say hello") for _ in range(3)]
        assert [one.result() for one in asked] == ["Hello!"] * 3

    with_time(ask, 0.6, 3, 20)


def test_a_process_that_dies_gives_its_slot_back(tmp_path):
    """Nobody waits for the dead: the kernel frees what they held."""
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LLMTimeout, match=r"all 1 slot\(s\).*raise llm.parallel"), _slots(tmp_path, 0.1).held():
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with _slots(tmp_path, 30).held():  # its sleep would have lasted for longer
            pass
    finally:
        holder.kill()
        holder.communicate()


def _slots(place, longest_wait):
    return ServerSlots(str(place), 1, longest_wait=longest_wait)


def test_a_slot_is_free_after_an_error(tmp_path):
    """What goes wrong inside gives the slot back."""
    with pytest.raises(ValueError, match="x"), _slots(tmp_path, 0.1).held():
        raise ValueError("x")
    with _slots(tmp_path, 0.1).held():
        pass


def test_another_server_has_slots_of_its_own(tmp_path):
    """Only questions to the same server wait for each other."""
    with _slots(tmp_path, 0.1).held(), _slots(tmp_path / "b", 0.1).held():
        pass


def test_a_folder_of_somebody_else_is_not_used(tmp_path):
    """A link laid where the folder ought to be is not followed."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"obra-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", HOLD, "a"], env=environment, capture_output=True, check=False)
    assert b"LLMUnavailable" in done.stderr
    assert b"belongs to somebody else" in done.stderr
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://localhost:11434", "this machine:11434"),
        ("http://127.0.0.1:11434/", "this machine:11434"),
        ("http://[::1]:11434", "this machine:11434"),
        ("http://me:word@box", "box:80"),
        ("https://box/ollama", "box:443"),
    ],
)
def test_one_server_has_one_name(url, place):
    """However its address is written, it is the same server."""
    assert ServerAddress.parse(url).place == place
