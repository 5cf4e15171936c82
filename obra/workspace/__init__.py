"""The workspace: prepare it, photograph it, compare, restore; and the process tree of whatever works in it.

Belongs here: whatever touches the folder an agent works in, or starts, limits and ends programs there.
Never here: judging what was found, talking to agents or LLMs, the database, the user's own index or branches.
Start with ``workspace.py`` (snapshot, diff, restore) and ``processes.py`` (run a program and leave nothing).
"""
