"""What a program answers to ``--version``: asked alone, with nothing of ours, once for each state of its file."""

from __future__ import annotations

from pathlib import Path

from obra.errors import AgentUnavailable, WorkspaceError
from obra.workspace.private_folder import private_folder
from obra.workspace.processes import clean_environment, run_command

_OUTPUT = 4_000

_answers: dict[tuple[str, int, int], str] = {}
"""What a file with that path, size and time said; asking takes 50 ms to a second each time."""


def version_text(executable: str, *, seconds: float, name: str, cure: str) -> str:
    """Return what *executable* prints when it is asked for its version.

    Args:
        executable: path of the program.
        seconds: how long it may take.
        name: what the program should be, for messages.
        cure: what to do when it is not, as words that follow a semicolon.

    Raises:
        AgentUnavailable: it cannot be run, or does not answer in time.
    """
    file = Path(executable).resolve()
    status = file.stat()
    key = (str(file), status.st_size, status.st_mtime_ns)
    if key in _answers:
        return _answers[key]
    with private_folder("version") as folder:
        try:
            result = run_command(
                [executable, "--version"],
                cwd=folder,
                environment=clean_environment(folder),
                timeout=seconds,
                max_output=_OUTPUT,
            )
        except WorkspaceError as error:
            raise AgentUnavailable(f"{name} cannot be started: {error}") from error
    if result.timed_out:
        raise AgentUnavailable(
            f"{executable!r} did not answer --version within {seconds:g} s; is it {name}? {cure}, "
            f"or raise timeout_ready"
        )
    return _answers.setdefault(key, result.output.strip())
