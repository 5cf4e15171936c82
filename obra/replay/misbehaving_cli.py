"""A program that speaks as Claude Code does over pipes, acts a script out, and misbehaves on demand.

It runs alone, with nothing but the standard library, so that it can stand in for the real binary anywhere::

    python misbehaving_cli.py '{"script": [{"say": "Done."}], "faults": {"1": "no_result"}}' [arguments of claude]

The number of prompts is kept with the session, so that a resumed one goes on. The shapes of its messages are held
against streams that were recorded from the real one; see the tests. :func:`install` makes a command of it.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import stat
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

VERSION = "2.1.330 (Claude Code)"
"""What ``--version`` says: the version whose streams it speaks."""
HUGE = 5_000_000
"""Characters of a huge line."""
WRONG_EXIT_CODE = 7
_MODEL = "misbehaving"
_ORPHAN_SECONDS = "3600"

Message = dict[str, Any]


def install(folder: Path, script: Sequence[Mapping[str, Any]], faults: Mapping[int, str]) -> Path:
    """Write an executable into *folder* that runs this program so, and return its path.

    Args:
        folder: an existing folder.
        script: a mapping with ``say``, ``write`` (texts by path) and ``run`` (commands) for each prompt.
        faults: names of :class:`obra.domain.CLIFault` by the number of the prompt.
    """
    plan = json.dumps({"script": list(script), "faults": {str(number): kind for number, kind in faults.items()}})
    (folder / "plan.json").write_text(plan, encoding="utf-8")
    path = folder / "claude"
    parts = (sys.executable, "-I", str(Path(__file__).resolve()), f"@{folder.absolute() / 'plan.json'}")
    path.write_text(f'#!/bin/sh\nexec {shlex.join(parts)} "$@"\n', encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


class Session:
    """One conversation: its id, and how many prompts it has had, which is written down for those who resume it."""

    def __init__(self, identity: str) -> None:
        self.identity = identity or str(uuid.uuid4())
        folder = Path(os.environ.get("CLAUDE_CONFIG_DIR") or Path.home() / ".claude", "projects", "workspace")
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / f"{self.identity}.jsonl"
        self.prompts = len(self._log.read_text(encoding="utf-8").splitlines()) if self._log.exists() else 0
        self.results = 0

    def note(self, prompt: str) -> None:
        """Count a prompt."""
        self.prompts += 1
        with self._log.open("a", encoding="utf-8") as log:
            log.write(json.dumps({"type": "user", "prompt": prompt}) + "\n")


class Turn:
    """The answer to one prompt, message by message, in the shapes of the real one."""

    def __init__(self, session: Session, step: Mapping[str, Any], write: Callable[[bytes], None]) -> None:
        self._session = session
        self._step = step
        self._write = write
        self._calls = 0

    def begin(self) -> None:
        """Say who answers, and do the work of the step."""
        self.tell(
            {
                "type": "system",
                "subtype": "init",
                "cwd": str(Path.cwd()),
                "tools": ["Bash", "Edit", "Read", "Write"],
                "model": _MODEL,
                "permissionMode": "acceptEdits",
                "apiKeySource": "ANTHROPIC_API_KEY",
                "claude_code_version": VERSION.partition(" ")[0],
            }
        )
        for path, text in dict(self._step.get("write") or {}).items():
            target = Path.cwd() / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
            self.call(
                "Write", {"file_path": str(target), "content": text}, f"File created successfully at: {target}"
            )
        for line in self._step.get("run") or ():
            done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)  # noqa: S602
            self.call("Bash", {"command": line}, done.stdout + done.stderr, is_error=done.returncode != 0)

    def call(self, tool: str, given: Message, result: str, *, is_error: bool = False) -> str:
        """Tell of a tool call and its result; return its id."""
        self._calls += 1
        identity = f"toolu_misbehaving_{self._session.prompts}_{self._calls}"
        self.say([{"type": "tool_use", "id": identity, "name": tool, "input": given}])
        block = {"type": "tool_result", "content": result, "is_error": is_error, "tool_use_id": identity}
        self.tell({"type": "user", "message": {"role": "user", "content": [block]}, "parent_tool_use_id": None})
        return identity

    def say(self, content: list[Message]) -> None:
        """Tell what the model says."""
        message = {
            "id": f"msg_{uuid.uuid4().hex}",
            "type": "message",
            "role": "assistant",
            "model": _MODEL,
            "content": content,
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }
        self.tell({"type": "assistant", "message": message, "parent_tool_use_id": None})

    def end(self, text: str, **changed: Any) -> None:
        """Tell that the turn is over."""
        self.tell(self.result(text, **changed))

    def result(self, text: str, **changed: Any) -> Message:
        """Return the line that ends a turn."""
        index, self._session.results = self._session.results, self._session.results + 1
        usage = {"input_tokens": 0, "output_tokens": 0}
        return {
            "type": "result",
            "subtype": "success",
            "is_error": False,
            "num_turns": self._calls + 1,
            "duration_ms": 1,
            "duration_api_ms": 0,
            "result": text,
            "stop_reason": "end_turn",
            "terminal_reason": "completed",
            "total_cost_usd": 0.0,
            "usage": usage,
            "model_usage_since_last_result": {},
            "permission_denials": [],
            "api_error_status": None,
            "queued_turn_count": 0,
            "result_index": index,
            **changed,
        }

    def tell(self, message: Message) -> None:
        """Print one line."""
        self._write(self.line(message))

    def line(self, message: Message) -> bytes:
        """Return a message as the line it is printed as."""
        whole = {**message, "session_id": self._session.identity, "uuid": str(uuid.uuid4())}
        return json.dumps(whole).encode() + b"\n"

    @property
    def words(self) -> str:
        """What the step says."""
        return str(self._step.get("say") or "Done.")


def play(turn: Turn, fault: str) -> None:
    """Answer one prompt, with *fault* or, when that is empty, as it should be."""
    turn.begin()
    special = _SPECIAL.get(fault)
    if special is not None:
        special(turn)
        return
    if fault == "garbage":
        _print(b"[DEBUG] sandbox: ok\n\x00\xff\xfe{\n[1, 2\n\n" + b'"just a text"\n')
    turn.say([{"type": "text", "text": turn.words}])
    if fault == "orphan":
        subprocess.Popen(
            ["sleep", _ORPHAN_SECONDS],
            env={},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    if fault == "hangs":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
    turn.end(turn.words)
    if fault == "hangs":
        time.sleep(float(_ORPHAN_SECONDS))
    if fault == "wrong_exit_code":
        _leave(WRONG_EXIT_CODE)


def _no_result(turn: Turn) -> None:
    turn.say([{"type": "text", "text": turn.words}])
    _leave(0)


def _half_line(turn: Turn) -> None:
    turn.say([{"type": "text", "text": turn.words}])
    line = turn.line(turn.result(turn.words))
    _print(line[: len(line) // 2])
    _leave(0)


def _two_results(turn: Turn) -> None:
    task = {"task_id": "b1", "task_type": "local_bash", "description": "a background command"}
    turn.tell({"type": "system", "subtype": "background_tasks_changed", "tasks": [task]})
    turn.say([{"type": "text", "text": "It runs in the background."}])
    turn.end("It runs in the background.")
    told = {"task_id": "b1", "status": "completed", "summary": "the background command completed"}
    turn.tell({"type": "system", "subtype": "task_notification", **told})
    turn.tell({"type": "system", "subtype": "background_tasks_changed", "tasks": []})
    turn.tell({"type": "system", "subtype": "init", "model": _MODEL, "cwd": str(Path.cwd())})
    turn.say([{"type": "text", "text": turn.words}])
    turn.end(turn.words, origin={"kind": "task-notification"})


def _huge_line(turn: Turn) -> None:
    text = "x" * HUGE + turn.words
    turn.say([{"type": "text", "text": text}])
    turn.end(text)


def _tool_refused(turn: Turn) -> None:
    given = {"command": "rm -rf everything"}
    identity = turn.call("Bash", given, "This command requires approval", is_error=True)
    turn.say([{"type": "text", "text": turn.words}])
    turn.end(turn.words, permission_denials=[{"tool_name": "Bash", "tool_use_id": identity, "tool_input": given}])


def _disk_full(turn: Turn) -> None:
    turn.call("Write", {"file_path": "big"}, "ENOSPC: no space left on device, write", is_error=True)
    said = {"subtype": "error_during_execution", "is_error": True, "terminal_reason": "error"}
    message = turn.result("", **said, errors=["ENOSPC: no space left on device, write"])
    del message["result"]
    turn.tell(message)


_SPECIAL: Mapping[str, Callable[[Turn], None]] = {
    "no_result": _no_result,
    "half_line": _half_line,
    "two_results": _two_results,
    "huge_line": _huge_line,
    "tool_refused": _tool_refused,
    "disk_full": _disk_full,
}


def main(arguments: list[str]) -> int:
    """Answer prompts from standard input until it ends."""
    given, *options = arguments
    plan = json.loads(Path(given[1:]).read_text(encoding="utf-8") if given.startswith("@") else given)
    if "--version" in options:
        _print(VERSION.encode() + b"\n")
        return 0
    resumed = [option.partition("=")[2] for option in options if option.startswith("--resume=")]
    session = Session(resumed[0] if resumed else "")
    steps = plan.get("script") or [{}]
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if message.get("type") == "control_request":
            answer = {"subtype": "success", "request_id": message.get("request_id"), "response": {}}
            _print(json.dumps({"type": "control_response", "response": answer}).encode() + b"\n")
        elif message.get("type") == "user":
            session.note(str(message.get("message", {}).get("content", "")))
            number = session.prompts
            step = steps[min(number, len(steps)) - 1]
            play(Turn(session, step, _print), str((plan.get("faults") or {}).get(str(number), "")))
    return 0


def _print(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _leave(code: int) -> None:
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
