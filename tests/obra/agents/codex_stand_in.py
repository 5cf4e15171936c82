"""Stands for Codex: the same arguments, output and session files, and no model.

It answers with the number of the prompt in its session. ``hang`` as prompt waits for ever behind the first line;
a session file that says ``broken`` cannot be gone on with.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from pathlib import Path


def tell(**message) -> None:
    """Print a line of its protocol."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if "--version" in sys.argv:
    sys.stdout.write("codex-cli 0.169.0\n")
    sys.exit()
prompt = sys.stdin.read()
folder = Path.home() / ".codex" / "sessions" / "2026" / "11" / "22"
folder.mkdir(parents=True, exist_ok=True)
known = sys.argv[sys.argv.index("resume") + 1] if "resume" in sys.argv else ""
thread = known or str(uuid.uuid4())
file = folder / f"rollout-{thread}.jsonl"
said = file.read_text().splitlines() if file.exists() else []
if known and (not said or "broken" in said):
    sys.exit(f"no rollout found for thread id {known}")
with file.open("a") as rollout:
    rollout.write(f"{thread} {prompt}\n")
tell(type="thread.started", thread_id=thread)
if prompt == "hang":
    time.sleep(600)
words = {"type": "agent_message", "text": f"prompt {len(said) + 1}"}
tell(type="item.completed", item=words)
tell(type="turn.completed", usage={})
