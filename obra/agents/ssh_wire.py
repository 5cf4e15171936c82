"""RunnerWire: the conversation with a program that a runner keeps on another machine, over whatever link there is.

Both ways are streams of bytes with a number: the runner's files only grow, and this end knows how much of them it
has, and how much of its own arrived there. So after a lost link both go on where they were; nothing is sent twice.
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from obra.agents.far_side.attachment import Frames, frame
from obra.agents.ssh_connection import SSHConnection
from obra.agents.ssh_link import SSHLink
from obra.agents.wire import Lines
from obra.errors import AgentCrashed, AgentError

if TYPE_CHECKING:
    import paramiko

_CHUNK = 256 * 1024
_PIECE = 32 * 1024
_WINDOW = 512 * 1024
"""Bytes that may be under way unconfirmed: no more than a frozen peer's buffers take without making us wait."""
_LOOK_SECONDS = 0.02
_ERRORS_KEPT = 8 * 1024
_LONGEST_BEAT = 1.0
_LONGEST_SILENCE = 10.0
_START_SECONDS = 5.0
"""Seconds that the other end of a link gets to start on a busy machine."""
_LAST_WORDS_SECONDS = 5.0
"""Seconds that the last words of an end that refuses a link get to arrive after its exit code.

They have no order: sshd tells the code as soon as the program is gone, and what it printed when it has read that.
"""

Attach = Callable[[int, int, float], str]
"""Gives the command line that goes on after so many bytes of output and errors, with a beat of so many seconds."""


class RunnerWire:
    """See :class:`obra.agents.wire.Wire`; and the orders to the runner.

    Attributes:
        reconnects: how often the link was lost and came back.
    """

    def __init__(
        self,
        link: SSHLink,
        attach: Attach,
        *,
        lease: float,
        port_on: Callable[[SSHConnection], int],
        orders: Mapping[str, Any] | None = None,
        input_size: int = 0,
    ) -> None:
        """Begin to read, from the first byte.

        Args:
            link: the way there.
            attach: gives the command for each new link.
            lease: seconds after which the runner gives up an Obra that it does not hear.
            port_on: gives the port there that leads to the model's server here; 0 for none.
            orders: what another Obra wanted, from which we take over.
            input_size: bytes that arrived of what that one sent.
        """
        self.reconnects = 0
        self._link, self._attach, self._port_on = link, attach, port_on
        self._lease = lease
        self._heard = time.monotonic()
        self._beat = min(_LONGEST_BEAT, lease / 10)
        self._silence = min(_LONGEST_SILENCE, lease / 3)
        self._lines = Lines()
        self._errors = b""
        self._lock = threading.Lock()
        self._orders: dict[str, Any] = {"serial": 0, **(orders or {}), "kind": "orders"}
        self._orders_due = False
        self._input = bytearray()  # what is not confirmed yet
        self._confirmed = self._sent = input_size
        self._out_at = self._err_at = 0
        self._code: int | None = None
        self._trouble = ""
        self._closing = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._pump, name="obra-agent-ssh-wire", daemon=True)
        self._thread.start()

    def next_line(self, seconds: float) -> bytes | None:
        """Return the next line, ``None`` at the end; raise ``queue.Empty`` when none comes within *seconds*."""
        return self._lines.get(seconds)

    def send(self, data: bytes) -> None:
        """Queue *data* for the program; never waits."""
        with self._lock:
            self._input += data

    def close_input(self) -> None:
        """End the program's input, once everything queued is sent; never waits."""
        with self._lock:
            whole = self._confirmed + len(self._input)
        self.order(input_ends=whole)

    def errors(self) -> str:
        """The end of what it printed to standard error, and why the runner ended it or the link did."""
        said = self._errors.decode("utf-8", "replace").strip()
        return "\n".join(part for part in (said, self._trouble) if part)

    def exit_code(self, seconds: float) -> int | None:
        """Wait at most *seconds* for the end of the program; ``None`` when it is not known to have ended."""
        self._over.wait(seconds)
        return self._code

    def is_over(self, seconds: float = 0) -> bool:
        """Wait at most *seconds*, and tell whether nothing more will come."""
        return self._over.wait(seconds)

    def marks(self) -> dict[str, int]:
        """Return how far both ways are now, as orders that say where a turn begins."""
        with self._lock:
            return {"out_at": self._out_at, "input_at": self._confirmed + len(self._input)}

    def order(self, **orders: Any) -> None:
        """Tell the runner what is wanted from now on; what is not named stays as it was."""
        with self._lock:
            self._orders |= orders
            self._orders["serial"] += 1
            self._orders_due = True

    def close(self) -> None:
        """End the thread; safe to call twice."""
        self._closing = True
        self._thread.join()

    def _pump(self) -> None:
        connection = self._link.connection
        try:
            while not self._serve(connection) and not self._closing:
                if time.monotonic() - self._heard > self._lease:
                    raise AgentCrashed(f"nothing was heard of the runner there for {self._lease:g} s")
                connection = self._link.renewed(connection)
                self.reconnects += 1
        except AgentError as error:
            self._trouble = str(error)
        self._over.set()
        self._lines.put(b"")

    def _serve(self, connection: SSHConnection) -> bool:
        """Carry both ways over *connection*; return whether that is over for good, and not just the link."""
        try:
            self.order(port=self._port_on(connection))
            channel = connection.open(self._attach(self._out_at, self._err_at, self._beat))
        except AgentCrashed:
            return False
        with channel:
            try:
                return self._carry(channel)
            except OSError:
                return False

    def _carry(self, channel: paramiko.Channel) -> bool:
        frames, outgoing, complaint = Frames(), bytearray(), b""
        begun = beaten = time.monotonic()
        is_known = False  # how much of our input arrived there
        while not (self._closing or self._over.is_set()):
            select.select([channel.fileno()], [], [], _LOOK_SECONDS)
            while channel.recv_stderr_ready():
                complaint = (complaint + channel.recv_stderr(_CHUNK))[-_ERRORS_KEPT:]
            now = time.monotonic()
            while channel.recv_ready() and not self._lines.is_flooded():
                self._heard = now
                for header, body in frames.feed(channel.recv(_CHUNK)):
                    is_known = self._take(header, body, is_first=not is_known) or is_known
            if channel.closed or channel.eof_received or channel.exit_status_ready():
                return self._is_refused(channel, complaint)
            silence = self._silence if is_known else max(self._silence, _START_SECONDS)
            if now - max(self._heard, begun) > silence and not self._lines.is_flooded():
                return False
            if not outgoing:
                outgoing += self._due(is_known, is_time=now - beaten >= self._beat)
                beaten = now if outgoing else beaten
            if outgoing and channel.send_ready():
                del outgoing[: channel.send(bytes(outgoing[:_PIECE]))]
        return True

    def _is_refused(self, channel: paramiko.Channel, complaint: bytes) -> bool:
        """Tell whether the other end of the link ended of itself; then another one would do so, too."""
        if channel.recv_ready() or not channel.exit_status_ready() or channel.recv_exit_status() <= 0:
            return self._over.is_set()
        complaint += self._last_words(channel)
        said = complaint.decode("utf-8", "replace").strip().rpartition("\n")[2]
        self._trouble = f"over SSH: {said or 'the runner cannot be reached'}"
        return True

    def _last_words(self, channel: paramiko.Channel) -> bytes:
        """Read standard error to its end, for a bounded time: something there may hold it open for ever."""
        end = time.monotonic() + _LAST_WORDS_SECONDS
        words, is_whole = b"", False
        while not is_whole and not self._closing and time.monotonic() < end:
            is_whole = bool(channel.eof_received or channel.closed)  # before the last look at what came
            if not is_whole:
                select.select([channel.fileno()], [], [], _LOOK_SECONDS)
            while channel.recv_stderr_ready():
                words += channel.recv_stderr(_CHUNK)
        return words[-_ERRORS_KEPT:]

    def _due(self, is_known: bool, *, is_time: bool) -> bytes:
        """Return what is to be sent next, if anything is."""
        with self._lock:
            if self._orders_due:
                self._orders_due = False
                return frame(self._orders)
            start = self._sent - self._confirmed
            if is_known and start < min(len(self._input), _WINDOW):
                piece = bytes(self._input[start : start + _PIECE])
                at, self._sent = self._sent, self._sent + len(piece)
                return frame({"kind": "input", "at": at}, piece)
        return frame({"kind": "alive"}) if is_time else b""

    def _take(self, header: Mapping[str, Any], body: bytes, *, is_first: bool) -> bool:
        """Take one frame; return whether it told how much of our input arrived."""
        if header["kind"] == "out":
            self._out_at += len(body)
            self._lines.put(body)
            return False
        if header["kind"] == "err":
            self._err_at += len(body)
            self._errors = (self._errors + body)[-_ERRORS_KEPT:]
            return False
        with self._lock:
            del self._input[: header["input"] - self._confirmed]
            self._confirmed = header["input"]
            self._sent = self._confirmed if is_first else self._sent
            self._orders_due = self._orders_due or is_first
        if header["state"] != "runs":
            self._code = header.get("code")
            self._trouble = f"over SSH: {header['why']}" if header.get("why") else ""
            self._over.set()
        return True
