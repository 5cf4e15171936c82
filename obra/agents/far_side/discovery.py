"""What a new Obra must know to go on with a run that another one began."""

from __future__ import annotations

import fcntl
from pathlib import Path

from obra.agents.far_side.files import Folder


def look(root: Path) -> dict[str, object]:
    """Tell how the newest run in our folder *root* stands; empty when there is none.

    ``said`` is what arrived for the agent since the turn under way began, as its orders say.
    """
    runs = [path for path in root.glob("run-*") if (path / "turnstile").exists()]
    if not runs:
        return {}
    newest = max(runs, key=lambda path: (path / "turnstile").stat().st_mtime_ns)
    folder = Folder(newest)
    with folder.turnstile.open("rb") as turnstile:
        fcntl.flock(turnstile, fcntl.LOCK_EX)  # a frame of the Obra before may be on its way into the files
        orders = folder.read_orders()
        with folder.input.open("rb") as stream:
            stream.seek(int(str(orders.get("input_at", 0))))
            said = stream.read()
    return {
        "folder": str(newest),
        "orders": orders,
        "input_size": folder.input.stat().st_size,
        "said": said.decode("utf-8", "replace"),
        "lives": folder.is_kept(),
    }
