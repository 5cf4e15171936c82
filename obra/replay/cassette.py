"""A cassette: what a model was asked and answered in one run of a scenario, as lines of JSON for people to review.

The first line tells what was recorded; then, for each exchange, one line with the question (its place in the
conversation, and what was new, normalised), one with the status, and one for each event or piece of the answer,
with the seconds since the question. No key, session id or path of a person or machine is in it.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from obra.errors import ObraError
from obra.replay.normalising import Place, difference

FORM = 1
"""Version of the form of the file."""

Line = Mapping[str, Any]


@dataclass(slots=True)
class Exchange:
    """One question and its answer."""

    place: Place
    path: str
    status: int = 200
    kind: str = "application/json"
    """Content type of the answer."""
    pieces: list[Line] = field(default_factory=list)
    """Each with ``at`` (seconds), and ``event`` and ``data``, or ``body``, ``text`` or ``cut``."""


@dataclass(slots=True)
class Cassette:
    """All exchanges of one run, in order. ``about`` says what was recorded: ``scenario, agent, cli``."""

    about: dict[str, Any] = field(default_factory=dict)
    exchanges: list[Exchange] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write the file, all of it or nothing.

        Raises:
            ObraError: it cannot be written.
        """
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in self._lines())
        part = path.with_name(path.name + ".part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(text, encoding="utf-8")
            part.replace(path)
        except OSError as error:
            raise ObraError(
                f"the cassette {path} cannot be written: {error.strerror}; make its folder writable"
            ) from error

    def _lines(self) -> Iterator[Line]:
        yield {"cassette": FORM, **self.about}
        for number, one in enumerate(self.exchanges, start=1):
            place = one.place
            yield {
                "exchange": number,
                "lane": place.lane,
                "turn": place.turn,
                "tools": place.tools,
                "key": place.key,
                "path": one.path,
                "new": list(place.new),
            }
            yield {"status": one.status, "kind": one.kind}
            yield from one.pieces

    @classmethod
    def load(cls, path: Path) -> Cassette:
        """Read a file.

        Raises:
            ObraError: it is not there, or no cassette.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ObraError(
                f"there is no cassette {path} ({error.strerror}); record one with --obra-agent=real --obra-record"
            ) from error
        found: Cassette | None = None
        for number, raw in enumerate(text.splitlines(), start=1):
            try:
                line = json.loads(raw)
                found = _read(found, line)
            except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
                raise ObraError(
                    f"{path}:{number}: this is no line of a cassette ({error}); record it anew"
                ) from error
        if found is None:
            raise ObraError(f"{path} is empty; record it anew with --obra-record")
        return found


def _read(found: Cassette | None, line: dict[str, Any]) -> Cassette:
    if found is None:
        if line.pop("cassette") != FORM:
            raise ValueError(f"its form is not {FORM}")
        return Cassette(about=line)
    if "exchange" in line:
        place = Place(lane=line["lane"], turn=line["turn"], tools=line["tools"], new=tuple(line["new"]))
        if place.key != line["key"]:
            raise ValueError("'new' was changed and does not fit 'key'")
        found.exchanges.append(Exchange(place=place, path=line["path"]))
    elif "status" in line:
        found.exchanges[-1].status, found.exchanges[-1].kind = int(line["status"]), str(line["kind"])
    else:
        found.exchanges[-1].pieces.append({"at": float(line["at"]), **line})
    return found


class CassetteMiss(Exception):  # it names a finding that becomes an HTTP answer, not a failure here
    """The conversation asks for something that was not recorded; the message says what is near."""


class Player:
    """Finds the recorded answer to a request; threads may share it."""

    def __init__(self, cassette: Cassette, name: str) -> None:
        """Take the cassette, and the name that messages give it."""
        self._name = name
        self._all = cassette.exchanges
        self._lock = threading.Lock()
        self._waiting: dict[tuple[int, int, str], list[Exchange]] = defaultdict(list)
        for one in cassette.exchanges:
            self._waiting[one.place.lane, one.place.turn, one.place.key].append(one)

    def find(self, place: Place) -> Exchange:
        """Return the answer; answers to the same request come in the order they were recorded, the last for ever.

        Raises:
            CassetteMiss: this was not recorded.
        """
        with self._lock:
            waiting = self._waiting.get((place.lane, place.turn, place.key), [])
            if waiting:
                return waiting.pop(0) if len(waiting) > 1 else waiting[0]
        raise CassetteMiss(self._why(place))

    def _why(self, place: Place) -> str:
        asked = f"session {place.lane}, turn {place.turn}, {place.key}"
        known = [one for one in self._all if one.place.tools == place.tools] or self._all
        if not known:
            return f"the cassette {self._name} is empty; {asked} was asked"
        near = min(known, key=lambda one: (abs(one.place.lane - place.lane), abs(one.place.turn - place.turn)))
        number = self._all.index(near) + 1
        return (
            f"the cassette {self._name} has no answer to what is asked now ({asked}). "
            f"Nearest is exchange {number} "
            f"(session {near.place.lane}, turn {near.place.turn}, {near.place.key}):\n"
            f"{difference(place, near.place)}\n"
            f"When the change is meant, record anew with --obra-record"
        )
