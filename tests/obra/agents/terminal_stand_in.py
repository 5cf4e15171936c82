"""A small program that behaves on a terminal as the interactive Claude Code does, or badly; see MANNERS.

It draws a box between two rules, runs the hooks that it is given, and takes a prompt; a script, so that nothing of
ours is in its process.
"""

from __future__ import annotations

import sys
from pathlib import Path

MANNERS = ("good", "strange_at_start", "strange_in_turn", "never_ready", "crashes", "hangs", "garbles", "deaf")

_PROGRAM = r"""#!{python}
import json, os, subprocess, sys, time, tty

if sys.argv[1] == "--version":
    print("2.1.330 (Claude Code)")
    sys.exit()
manner = "{manner}"
settings = json.loads(next(word[11:] for word in sys.argv if word.startswith("--settings=")))
tty.setraw(0)
size = os.get_terminal_size()
transcript = os.path.join(os.environ["HOME"], "transcript.jsonl")


def hook(name, **told):
    command = settings["hooks"][name][0]["hooks"][0]["command"]
    subprocess.run(command, shell=True, input=json.dumps(told).encode(), check=True)


def draw(*lines):
    os.write(1, ("\x1b[2J\x1b[H" + "\r\n".join(lines)).encode())


def box(*above):
    rule = "\u2500" * (size.columns - 1)
    draw(*above, rule, "\u276f ", rule, "  accept edits on")


def strange():
    draw("Would you like a cup of tea?", "", " \u276f 1. Yes, with milk", "   2. Never", "", "Enter to confirm")
    time.sleep(60)


def keys(end):
    got = b""
    while not got.endswith(end):
        part = os.read(0, 65536)
        if not part or part == b"\x03":
            sys.exit()
        got += part
    return got


if manner == "strange_at_start":
    strange()
if manner == "never_ready":
    draw("Loading, please wait")
    time.sleep(60)
hook("SessionStart", session_id="s-1", transcript_path=transcript, model="stand-in")
box("welcome")
while True:
    typed = keys(b"\r").replace(b"\x1b[200~", b"").replace(b"\x1b[201~", b"").decode().strip()
    if manner == "deaf":
        box("> ")
        continue
    hook("UserPromptSubmit", prompt="rm -rf" if manner == "garbles" else typed)
    box("> " + typed[:40], "working (esc to interrupt)")
    if manner == "crashes":
        os.write(1, b"\r\npanic: out of tea")
        os._exit(7)
    if manner == "hangs":
        time.sleep(60)
    if manner == "strange_in_turn":
        strange()
    said = dict(id="m-1", content=[dict(type="text", text="Done.")], usage=dict(input_tokens=3, output_tokens=2))
    with open(transcript, "a") as file:
        file.write(json.dumps(dict(type="assistant", message=said)) + "\n")
    hook("Stop", last_assistant_message="Done.", background_tasks=[])
    box("> " + typed[:40], "Done.")
"""


def write_stand_in(path: Path, manner: str) -> Path:
    """Write the program with one of :data:`MANNERS` to *path*."""
    path.write_text(_PROGRAM.replace("{python}", sys.executable).replace("{manner}", manner), encoding="utf-8")
    path.chmod(0o755)
    return path
