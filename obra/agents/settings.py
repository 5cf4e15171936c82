"""The settings that every agent with a command line takes, and how a mapping is read into them."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar

from obra.errors import AgentUnavailable, ObraError

Settings = TypeVar("Settings")

_CLAUDE_CODES_OWN = ("permission_mode", "allowed_tools")
"""Shared keys of ``agent`` that mean nothing to another program; each of ours has options of its own for that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CLISettings:
    """What ``initialize`` takes, for any program that is started once for each turn. Times are seconds.

    ``timeout``, ``max_turns`` and ``model`` are those of ``agent``; the others stand in ``agent.options``.
    """

    workspace_dir: str
    command: str = ""
    """The executable, a name on PATH or a path; empty means the program's usual name."""
    timeout_ready: float = 60
    """Seconds to the first line of output after the start."""
    timeout_response: float = 600
    """Seconds without any output before the turn is ended as hung."""
    timeout: float = 1800
    """Seconds for the whole turn."""
    base_url: str | None = None
    """Address of the model API; none means the program's own default."""
    api_key: str | None = None
    """Key for the model API; none means the program's own login."""
    pass_environment: tuple[str, ...] = ()
    """Names of environment variables handed to the program; all others are withheld."""
    model: str | None = None
    """Model to use; none means the program's own default."""
    sandbox: str = "none"
    """none or bubblewrap: what confines the program."""
    sandbox_network: Literal["host", "model"] = "host"
    """What a confined program reaches: everything, or ``base_url`` alone."""
    max_turns: int = 50
    """Model calls within one turn, as far as the program's output tells them."""


def read_settings(kind: type[Settings], config: Mapping[str, Any], *, name: str) -> Settings:
    """Return *config* as the dataclass *kind*; lists become tuples.

    Args:
        kind: a dataclass with the field ``workspace_dir``.
        config: what ``initialize`` was given.
        name: the agent, for messages.

    Raises:
        ObraError: a key is unknown, ``workspace_dir`` is missing, or a list is a text.
    """
    lists = {item.name: str(item.type).startswith("tuple") for item in fields(kind)}  # type: ignore[arg-type]  # is one
    given = {key: value for key, value in config.items() if key in lists or key not in _CLAUDE_CODES_OWN}
    for key, value in given.items():
        if key not in lists:
            close = difflib.get_close_matches(str(key), list(lists), n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it may be one of: {', '.join(lists)}"
            raise ObraError(f"{name} has no setting {key!r}; {hint}")
        if lists[key] and isinstance(value, str):
            raise ObraError(f"{key} must be a list of names; it is {value!r}")
        if lists[key]:
            given[key] = tuple(value)
    if not given.get("workspace_dir"):
        raise ObraError(f"{name} was given no workspace_dir; name the folder it is to work in")
    given["workspace_dir"] = str(given["workspace_dir"])
    return kind(**given)


def words_of(command: str) -> list[str]:
    """Return the words of a command line, as a shell splits it.

    Raises:
        AgentUnavailable: its quotes do not match.
    """
    try:
        return shlex.split(command)
    except ValueError as error:
        raise AgentUnavailable(
            f"agent.options.command is no command line ({error}): {command}; mend its quotes"
        ) from error
