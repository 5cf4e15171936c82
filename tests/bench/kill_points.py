"""Where a run is killed: before and after every call of a part that writes or reaches outside."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

STATE = ("start_task", "record_event", "record_step", "record_attempt", "finish_task")
OUTSIDE = {
    "agent": ("initialize", "send_prompt", "cleanup"),
    "llm_interface": ("generate",),
    "evidence_collector": ("collect",),
    "workspace": ("snapshot", "restore"),
}


class Points:
    """Counts what a run does, and kills this process at one of them: a name, and which of that name it is."""

    def __init__(self, deadly: str = "") -> None:
        self.seen: list[str] = []
        self._counts: dict[str, int] = {}
        self._deadly = deadly

    def pass_(self, name: str) -> None:
        """Go by the next point, or die there."""
        self._counts[name] = self._counts.get(name, 0) + 1
        self.seen.append(f"{name} #{self._counts[name]}")
        if self.seen[-1] == self._deadly:
            os.kill(os.getpid(), signal.SIGKILL)


class Proxy:
    """Stands in front of a part; the methods named are kill points, before and after."""

    def __init__(self, part: object, room: str, names: tuple[str, ...], points: Points) -> None:
        vars(self).update(_part=part, _room=room, _names=names, _points=points)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._part, name, value)

    def __getattr__(self, name: str):
        found = getattr(self._part, name)
        if name not in self._names:
            return found

        def call(*values, **named):
            what = f"{self._room}.{name}"
            if name == "record_step":
                what += f" {values[1].name}"
            self._points.pass_(f"before {what}")
            made = found(*values, **named)
            self._points.pass_(f"after {what}")
            return made

        return call


def behind_proxies(parts, points: Points):
    """Return *parts* with a kill point before and after everything that writes or reaches outside."""
    open_workspace = parts.open_workspace
    return replace(
        parts,
        state_manager=Proxy(parts.state_manager, "state", STATE, points),
        open_workspace=lambda root: Proxy(open_workspace(root), "workspace", OUTSIDE["workspace"], points),
        **{
            name: Proxy(getattr(parts, name), name, OUTSIDE[name], points)
            for name in ("llm_interface", "evidence_collector")
        },
    )
