"""Player: finds in a cassette what answers a request, and says exactly what differs when nothing does."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

from obra.replay.cassette import Cassette, Exchange
from obra.replay.normalising import Place, difference
from obra.replay.redacting import replaced

_Key = tuple[int, int, bool, tuple[str, ...]]


class CassetteMiss(Exception):  # it names a finding that becomes an HTTP answer, not a failure here
    """The conversation asks for something that was not recorded; the message says what is near."""


class Player:
    """Finds the recorded answer to a request; threads may share it."""

    def __init__(
        self, cassette: Cassette, name: str, *, again: str, names: Mapping[str, str], resumed: bool = False
    ) -> None:
        """Take a cassette.

        Args:
            cassette: with its lines, as it was loaded.
            name: the file, for messages.
            again: the command that records it anew.
            names: user and machine of this run. They and what stands for those of the recording are the same.
            resumed: the run was interrupted and goes on in a new conversation, somewhere in the recorded one.
        """
        self._name, self._again, self._names = name, again, dict(names)
        self._all = cassette.exchanges
        self._resumed = resumed
        self._moved: dict[int, Place] = {}
        self._lock = threading.Lock()
        self._unused = {id(one): one for one in cassette.exchanges}
        self._waiting: dict[_Key, list[Exchange]] = defaultdict(list)
        for one in cassette.exchanges:
            self._waiting[self._key(one.place)].append(one)

    def find(self, place: Place) -> Exchange:
        """Return the answer; answers to the same request come in the order they were recorded, the last for ever.

        Raises:
            CassetteMiss: this was not recorded.
        """
        with self._lock:
            place = self._as_recorded(place)
            waiting = self._waiting.get(self._key(place), [])
            if waiting:
                found = waiting.pop(0) if len(waiting) > 1 else waiting[0]
                self._unused.pop(id(found), None)
                return found
        raise CassetteMiss(self._why(place))

    def rest(self) -> str:
        """Say which part of the recording nobody asked for; empty when all of it was played.

        Of a run that was interrupted nobody knows: the process that died asked for the beginning.
        """
        with self._lock:
            left = list(self._unused.values())
        if not left or self._resumed:
            return ""
        first = left[0]
        asked = next((line for text in first.place.new for line in text.splitlines() if line), "(nothing new)")
        return (
            f"{len(left)} of {len(self._all)} exchanges of the cassette {self._name} were not asked for: the run "
            f"took another way than the recorded one, or ended earlier. The first is at {self._name}:{first.line} "
            f"({_shown(first.place)}), which begins {asked[:100]!r}. "
            f"When this is meant, record it anew: {self._again}"
        )

    def _as_recorded(self, place: Place) -> Place:
        """Return where *place* is in the recording: what is said first in a new conversation tells."""
        if not (self._resumed and place.tools):
            return place
        if place.turn == 0 and self._key(place) not in self._waiting:
            what = self._key(place)[2:]
            same = [one.place for one in self._all if self._key(one.place)[2:] == what]
            if same:
                self._moved[place.lane] = same[0]
        start = self._moved.get(place.lane)
        return replace(place, lane=start.lane, turn=place.turn + start.turn) if start else place

    def _key(self, place: Place) -> _Key:
        new = tuple(replaced(text, self._names) for text in place.new)
        return place.lane, place.turn, place.tools, new

    def _why(self, place: Place) -> str:
        asked = f"{_shown(place)}, key {place.key}"
        known = [one for one in self._all if one.place.tools == place.tools] or self._all
        if not known:
            return f"the cassette {self._name} holds no exchange, and {asked} was asked; record it: {self._again}"
        near = min(known, key=lambda one: (abs(one.place.lane - place.lane), abs(one.place.turn - place.turn)))
        return (
            f"the cassette {self._name} has no answer to what is asked now ({asked}).\n"
            f"Nearest is {self._name}:{near.line} ({_shown(near.place)}, key {near.place.key}); "
            f"'-' is what was recorded there, '+' is what came now:\n"
            f"{difference(place, near.place)}\n"
            f"When the change is meant (a prompt, the task, the agent's version), record it anew: {self._again}"
        )


def _shown(place: Place) -> str:
    beside = "" if place.tools else ", beside the conversation"
    return f"session {place.lane}, turn {place.turn}{beside}"
