"""Which agent speaks which API, and what it must be told to ask our server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from obra.domain import Fault, ScriptStep
from obra.plugins import WorksElsewhere
from obra.replay.cassette_server import CassetteServer
from obra.replay.chat_completions import ChatCompletions
from obra.replay.dialect import DEFAULT_MODEL, Dialect
from obra.replay.generate_content import GenerateContent
from obra.replay.messages import AnthropicMessages
from obra.replay.model_server import ModelServer
from obra.replay.responses_api import OpenAIResponses

_KEY = "obra-replay-no-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """How an agent comes to our server.

    ``path`` is what its base URL needs after host and port. ``model`` must be one that the dialect can play: the
    programs offer other tools to models that they know.
    """

    dialect: Callable[[], Dialect]
    path: str = ""
    model: str | None = None


_DOORS: Mapping[str, Door] = {
    "codex": Door(dialect=OpenAIResponses, path="/v1", model=DEFAULT_MODEL),
    "gemini": Door(dialect=GenerateContent, model="gemini-2.5-flash"),  # named, so that it asks no router
    "opencode": Door(dialect=ChatCompletions, path="/v1", model=DEFAULT_MODEL),
}
_CLAUDE_CODE = Door(dialect=AnthropicMessages)


def server_for(
    agent_type: str,
    script: Sequence[ScriptStep],
    *,
    workspace: Path,
    played: int = 0,
    faults: Sequence[Fault] = (),
    elsewhere: WorksElsewhere | None = None,
) -> ModelServer:
    """Return a server, not open yet, that plays *script* in the dialect of *agent_type*; see ModelServer."""
    door = _DOORS.get(agent_type, _CLAUDE_CODE)
    return ModelServer(
        script, workspace=workspace, dialect=door.dialect(), played=played, faults=faults, elsewhere=elsewhere
    )


def settings_for(agent_type: str, server: ModelServer | CassetteServer) -> dict[str, Any]:
    """Return the settings that send an agent to *server*, which is open, and nothing of the person's to it."""
    door = _DOORS.get(agent_type, _CLAUDE_CODE)
    further: dict[str, Any] = {"model": door.model} if door.model else {}
    if agent_type == "claude_code_ssh":
        further["tunnel"] = True
    return {"base_url": server.base_url + door.path, "api_key": _KEY, "pass_environment": (), **further}
