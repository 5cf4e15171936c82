"""The session of a program as it outlives the process that began it: its handle, its home, and what stands there.

A program keeps its sessions in its private home. That of a process which was killed stands for a day, and is used
on in place: some programs write the path of their home into what they keep. The id of a session that the program
chooses itself is noted in the home as soon as it is told, so that it is known after a kill in the very first turn.
The program can write there too, so the note counts only where it looks like an id.
"""

from __future__ import annotations

import json
import mmap
import os
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from obra.domain import Record
from obra.errors import AgentUnavailable
from obra.plugins import TakenUp
from obra.workspace.private_folder import is_abandoned, remove_private_folder

GONE = "what the program kept of the old one is not there any more"
NEVER_TOLD = "the turn was broken off before the program told the id of the old one"
_NOTE = ".obra-session"
_LONGEST = 200
_ID = re.compile(rf"[A-Za-z0-9][\w.-]{{0,{_LONGEST - 1}}}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSession(Record):
    """The id of a session, empty while the program has told none, and the home that it stands in."""

    session: str
    home: Path

    @property
    def handle(self) -> str:
        """This as one text; see :class:`obra.plugins.OutlivesUs`."""
        return json.dumps({"session": self.session, "home": str(self.home)})

    @classmethod
    def of(cls, handle: str) -> KeptSession:
        """Return what a handle says, with the id that was noted since where it says none."""
        told = json.loads(handle)
        home = Path(told["home"])
        session = told["session"] or _noted(home)
        return cls(session=session if _ID.fullmatch(session) else "", home=home)

    def home_for(self, ours: Path, *, may_resume: bool) -> Path:
        """Return the home to use from now on: this one where its owner is dead, else *ours*; the other is removed.

        Without *may_resume* it is *ours* in any case, and this one, where its owner is dead, is removed.
        """
        home = self.home
        if home.parent != ours.parent or home.is_symlink() or not home.is_dir():
            return ours
        if not is_abandoned(home) or home.stat().st_uid != os.getuid():
            return ours
        used, left = (home, ours) if may_resume else (ours, home)
        remove_private_folder(left)
        return used

    def taken_up(self, *, is_stored: bool) -> TakenUp:
        """Tell whether the next prompt goes on with this session, and else why not."""
        if self.session and is_stored:
            return TakenUp(session=self.session)
        return TakenUp(why=GONE if self.session else NEVER_TOLD)


def note(session: str, home: Path) -> None:
    """Write down which session stands in *home*, over whatever has the note's name there."""
    number, made = tempfile.mkstemp(dir=home)
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(session)
    Path(made).replace(home / _NOTE)


def is_written(session: str, files: Iterable[Path]) -> bool:
    """Tell whether one of *files* is a regular one that holds the id *session*."""
    for path in files:
        if not session or path.is_symlink() or not path.is_file() or not path.stat().st_size:
            continue
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if content.find(session.encode()) >= 0:
                return True
    return False


def touch(home: Path) -> None:
    """Let *home* count as used now: after the death of its user it stands for another day.

    Raises:
        AgentUnavailable: it is not there any more.
    """
    try:
        os.utime(home)
    except FileNotFoundError as error:
        raise AgentUnavailable(
            f"the agent's private home {home} was removed while it was in use; start the run again"
        ) from error


def _noted(home: Path) -> str:
    """Return the id that was noted; empty where there is none."""
    file = home / _NOTE
    if file.is_symlink() or not file.is_file():
        return ""
    with file.open(encoding="utf-8", errors="replace") as opened:
        return opened.read(_LONGEST + 1)
