"""What the interactive mode completes, from click's own data, and what it remembers of earlier lines."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import ShellComplete
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory

from obra.cli.shells import half_typed, value_of
from obra.redaction import hider, secrets_in, without_secrets


class ClickCompleter(Completer):
    """Completes verbs, options and values as a shell does that has obra's completion installed."""

    def __init__(self, group: click.Group, session: object = None) -> None:
        """Complete the verbs of *group*; what they look up, they look up with the settings of *session*."""
        self._complete = ShellComplete(group, {"obj": session}, "obra", "_OBRA_COMPLETE")

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Yield what may stand where the cursor is."""
        words, incomplete, typed = _words(document.text_before_cursor)
        value = value_of(incomplete)
        option = incomplete[: len(incomplete) - len(value)]
        for found in self._complete.get_completions(words, incomplete):
            if found.type in ("file", "dir"):
                paths = PathCompleter(only_directories=found.type == "dir")
                for path in paths.get_completions(Document(value), complete_event):
                    whole = shlex.quote(f"{option}{value}{path.text}")
                    yield Completion(whole, -len(typed), display=path.display)
            else:
                whole = f"{option}{found.value}"
                yield Completion(whole, -len(typed), display=found.value, display_meta=found.help or "")


def _words(text: str) -> tuple[list[str], str, str]:
    """Return the whole words before the cursor, the one that is being typed, and the same with its quotes."""
    words, last = half_typed(text)
    starts = (place for place in range(len(text), 0, -1) if text[place - 1].isspace())
    start = next((place for place in starts if half_typed(text[place:])[1] == last), 0)
    return words, last, text[start:]


class PrivateHistory(FileHistory):
    """Lines of earlier sessions, in a file that only its owner can read; secrets are blotted out."""

    def __init__(self, path: Path) -> None:
        """Make the file when it is missing.

        Raises:
            OSError: it cannot be made.
        """
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDONLY, 0o600))
        path.chmod(0o600)
        super().__init__(str(path))

    def store_string(self, string: str) -> None:
        """Keep a line for later sessions."""
        words = string.split()
        hide = hider(secrets_in(words))
        super().store_string(hide(" ".join(map(without_secrets, string.split(" ")))))


def history_file() -> Path:
    """Return where lines are kept: ``obra/history`` in the user's folder for state (XDG base directories)."""
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "obra" / "history"
