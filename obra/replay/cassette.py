"""A cassette: what a model was asked and answered in one run of a scenario, as lines of JSON for people to review.

The first line tells what was recorded; then, for each exchange, one line with the question (its place in the
conversation, and what was new, normalised), one with the status and the seconds from the question to each piece of
the answer, and one for each of these pieces. No key, session id, name or path of a person or machine is in it. The
times stand apart, so that the same run recorded anew differs in that line only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from obra.errors import ObraError
from obra.replay.normalising import Place

FORM = 2
"""Version of the form of the file."""
_AGAIN = "record it anew with 'obra record'"

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
    line: int = 0
    """Where it begins in the file that it was read from, from 1."""


@dataclass(slots=True)
class Cassette:
    """All exchanges of one run. ``about`` says what was recorded: ``scenario, agent, against, cli, model``."""

    about: dict[str, Any] = field(default_factory=dict)
    exchanges: list[Exchange] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write the file, all of it or nothing; exchanges stand in the order of the conversation.

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
        yield {"cassette": FORM, **dict(sorted(self.about.items()))}
        # Questions that were asked at the same time come in any order; the conversation has only one.
        ordered = sorted(self.exchanges, key=lambda one: (one.place.lane, one.place.turn, one.place.tools))
        for number, one in enumerate(ordered, start=1):
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
            yield {"status": one.status, "kind": one.kind, "at": [piece["at"] for piece in one.pieces]}
            for piece in one.pieces:
                yield {name: value for name, value in piece.items() if name != "at"}

    @classmethod
    def load(cls, path: Path) -> Cassette:
        """Read a file.

        Raises:
            ObraError: it is not there, or no cassette.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ObraError(f"there is no cassette {path} ({error.strerror}); {_AGAIN}") from error
        except UnicodeDecodeError as error:
            raise ObraError(f"{path} is no cassette, since it is no text in UTF-8: {error}; {_AGAIN}") from error
        reading = _Reading()
        for number, raw in enumerate(text.split("\n")[:-1], start=1):
            try:
                reading.take(number, json.loads(raw))
            except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
                raise ObraError(f"{path}:{number}: this is no line of a cassette ({error}); {_AGAIN}") from error
        if reading.found is None:
            raise ObraError(f"{path} is empty; {_AGAIN}")
        if missing := len(reading.times) + reading.is_unanswered:
            raise ObraError(f"{path} breaks off: {missing} more line(s) were to come; {_AGAIN}")
        return reading.found


class _Reading:
    """A file, line by line."""

    def __init__(self) -> None:
        self.found: Cassette | None = None
        self.times: list[float] = []
        """Those of the pieces that are still to come."""
        self.is_unanswered = False
        """Whether the line with the status of the last exchange is still to come."""

    def take(self, number: int, line: dict[str, Any]) -> None:
        """Read one line; any error means that it is none."""
        if self.found is None:
            if line.pop("cassette") != FORM:
                raise ValueError(f"its form is not {FORM}")
            self.found = Cassette(about=line)
            return
        exchanges = self.found.exchanges
        if self.times:
            exchanges[-1].pieces.append({"at": self.times.pop(0), **line})
        elif "exchange" in line:
            place = Place(lane=line["lane"], turn=line["turn"], tools=line["tools"], new=tuple(line["new"]))
            if place.key != line["key"]:
                raise ValueError("'new' was changed and does not fit 'key'")
            exchanges.append(Exchange(place=place, path=line["path"], line=number))
            self.is_unanswered = True
        else:
            exchanges[-1].status, exchanges[-1].kind = int(line["status"]), str(line["kind"])
            self.times = [float(one) for one in line["at"]]
            self.is_unanswered = False
