"""Confinement: an agent's program inside bubblewrap, with its workspace and its private home to write in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from obra.errors import AgentUnavailable, WorkspaceError
from obra.workspace.model_door import ModelDoor
from obra.workspace.sandbox import Sandbox, bubblewrap


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """What one program needs: the workspace and the private home are writable."""

    workspace: Path
    home: Path
    program: Path
    writable: tuple[Path, ...] = ()


class Confinement:
    """What confines an agent, or nothing; the way out to its model is opened once and kept until :meth:`close`."""

    def __init__(self, kind: str = "none", network: Literal["host", "model"] = "host") -> None:
        """Look whether it works here.

        Raises:
            AgentUnavailable: it was asked for and does not work here.
        """
        self._network: Literal["host", "model"] = network
        self._door: ModelDoor | None = None
        self.told = "none"
        """For reports: ``none``, or name and version."""
        if kind != "none":
            try:
                self.told = f"{bubblewrap()}, network: {network}"
            except WorkspaceError as error:
                raise AgentUnavailable(str(error)) from error

    def command(
        self, command: Sequence[str], environment: dict[str, str], places: Places, *, model_url: str | None
    ) -> list[str]:
        """Return *command* as it is run inside; *environment* gets what that needs.

        Raises:
            AgentUnavailable: only the model may be reached, and its address is not known.
        """
        if self.told == "none":
            return list(command)
        inner = list(command)
        readable: tuple[Path, ...] = (places.program,)
        if self._network == "model":
            if self._door is None:
                if not model_url:
                    raise AgentUnavailable(
                        "agent.sandbox_network is model, and the address of this agent's model is not known: set "
                        "its base_url, or agent.sandbox_network: host"
                    )
                self._door = ModelDoor(places.home, model_url)
            environment.update(self._door.variables)
            inner = self._door.command(inner)
            readable += self._door.readable
        sandbox = Sandbox(
            workspace=places.workspace.resolve(),
            writable=(places.home, *places.writable),
            readable=readable,
            network=self._network,
        )
        return sandbox.command(inner, environment)

    def close(self) -> None:
        """Close the way out; safe to call twice."""
        door, self._door = self._door, None
        if door is not None:
            door.close()
