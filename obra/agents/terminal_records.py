"""What an interactive Claude Code writes down about itself: records of its hooks, and the session's transcript.

The hooks are ours: they are named on the command line, in a private folder, and only copy what they are given into
a file each. So the end of a turn, a question for permission and the cost come from the program and not from its
screen. Measured with the real 2.1.330; the transcript reaches the disk within some 0.1 seconds.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

HOOKS = ("SessionStart", "UserPromptSubmit", "PermissionRequest", "Stop", "StopFailure")
STATUS = "Status"
LIMIT = "Limit"

_RECORD = """#!/bin/sh
umask 077
folder={folder}
cat > "$folder/.$1-$$" && mv "$folder/.$1-$$" "$folder/$1-$$"
"""
_COUNT = """#!/bin/sh
umask 077
folder={folder}
if grep -q '"agent_id":'; then exit 0; fi
made=$(($(cat "$folder/.turns") + 1))
echo "$made" > "$folder/.turns"
[ "$made" -lt {limit} ] && exit 0
echo '{{"limit": {limit}}}' > "$folder/.{name}-$$" && mv "$folder/.{name}-$$" "$folder/{name}-$$"
echo '{{"continue": false, "stopReason": "no more model calls in this turn"}}'
"""


class TerminalRecords:
    """The records of one program. Its folder must be one that the program can write."""

    def __init__(self, folder: Path, *, max_turns: int) -> None:
        """Make *folder* and the scripts in it.

        Args:
            folder: a private one of this program.
            max_turns: model calls in one turn; the loop is stopped when they have been made and more are wanted.
        """
        folder.mkdir(parents=True)
        self._folder = folder
        quoted = shlex.quote(str(folder))
        self._record = self._script("record", _RECORD.format(folder=quoted))
        self._count = self._script("count", _COUNT.format(folder=quoted, limit=max_turns, name=LIMIT))
        self._transcript: Path | None = None
        self._offset = 0
        self.begin_turn()

    @property
    def settings(self) -> dict[str, Any]:
        """What ``--settings`` must say for these records to be written."""
        hooks = {name: [_hook(f"{shlex.quote(str(self._record))} {name}")] for name in HOOKS}
        hooks["PostToolBatch"] = [_hook(shlex.quote(str(self._count)))]
        status = {"type": "command", "command": f"{shlex.quote(str(self._record))} {STATUS}"}
        return {"hooks": hooks, "statusLine": status}

    def begin_turn(self) -> None:
        """Count the model calls anew: a prompt is about to be sent."""
        (self._folder / ".turns").write_text("0\n", encoding="ascii")

    def follow(self, transcript: str) -> None:
        """Read the transcript at this path from its present end on."""
        self._transcript = Path(transcript)
        self._offset = self._transcript.stat().st_size if self._transcript.exists() else 0

    def take_hooks(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield name and content of each record since the last call, in order of time."""
        found = [path for path in self._folder.iterdir() if "-" in path.name and not path.name.startswith(".")]
        for path in sorted(found, key=lambda item: item.stat().st_mtime_ns):
            text = path.read_text(encoding="utf-8", errors="replace")
            path.unlink()
            yield path.name.partition("-")[0], _object(text)

    def take_transcript(self) -> Iterator[Mapping[str, Any]]:
        """Yield the lines that the transcript has got since the last call; a half one waits for the rest of it."""
        if self._transcript is None or not self._transcript.exists():
            return
        with self._transcript.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            yield _object(line.decode("utf-8", "replace"))

    def _script(self, name: str, text: str) -> Path:
        path = self._folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o700)
        return path


def seed_configuration(folder: Path, *, workspace: Path, api_key: str) -> None:
    """Answer in advance what an interactive Claude Code asks people at its first start.

    Args:
        folder: its private configuration folder.
        workspace: the folder it is started in; what lies there is trusted no more than by ``--setting-sources=``.
        api_key: the key it finds in its environment; empty for none.
    """
    file = folder / ".claude.json"
    if file.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    project = {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}
    seeds = {
        "hasCompletedOnboarding": True,
        "theme": "dark",
        "bypassPermissionsModeAccepted": True,
        "customApiKeyResponses": {"approved": [api_key[-20:]] if api_key else [], "rejected": []},
        "projects": {str(path): project for path in {workspace, workspace.resolve()}},
    }
    file.write_text(json.dumps(seeds), encoding="utf-8")
    file.chmod(0o600)


def _hook(command: str) -> Mapping[str, Any]:
    return {"hooks": [{"type": "command", "command": command}]}


def _object(text: str) -> Mapping[str, Any]:
    """Return the JSON object that *text* is; an empty one if it is something else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
