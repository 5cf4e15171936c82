"""The runner: starts the agent, writes down what it prints, feeds it, and ends it when nobody wants it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import IO, Any

from obra.agents.far_side.files import Folder
from obra.agents.far_side.processes import RUN_ID, become_subreaper, dies_with_us, sweep
from obra.agents.far_side.relay import Relay

MOST_OUTPUT = 1024**3
"""Bytes that an agent may print in one life; no conversation needs a hundredth of it, and the disk is not ours."""
_CHUNK = 64 * 1024
_LOOK_SECONDS = 0.02
_PATIENCE = {"soft": 3.0, "hopeless": 0.2}
"""Seconds that the agent gets to end by itself after the end of its input."""
_LADDER = ((0.0, signal.SIGINT), (0.5, signal.SIGTERM), (1.0, signal.SIGKILL))
"""Seconds after that, and what it is then told: Ctrl-C ends a turn in two seconds, with the way there and back."""


class Runner:
    """One agent, kept for as long as Obra is heard now and then."""

    def __init__(self, root: Path, job: dict[str, Any]) -> None:
        """Start the agent.

        Args:
            root: folder for the files of this run.
            job: ``command``, ``cwd``, ``environment``, ``keep`` (names of variables of the login), ``marker``,
                ``lease`` (seconds), ``relay`` (name of the variable that gets the address of a port that leads
                to Obra; empty for none).

        Raises:
            OSError: a file cannot be made, or the program cannot be started.
        """
        self._folder = Folder(root)
        self._folder.make()
        # A number and no file object: the kernel lets go of it when nothing else of this process is left.
        fcntl.flock(os.open(self._folder.lock, os.O_RDONLY), fcntl.LOCK_EX)
        self._marker, self._lease = str(job["marker"]), float(job["lease"])
        self._orders: dict[str, Any] = {}
        self._orders_seen: tuple[int, int] | None = None
        self._why = ""
        self._stop = ""
        self._stop_begun = 0.0
        self._rung = 0
        self._fed = 0
        self._written = 0
        self._turn_begun = self._heard = self._lease_heard = self._looked = time.monotonic()
        self._lease_seen = 0
        become_subreaper()
        signal.signal(signal.SIGTERM, lambda *_: self._end("hopeless", "its runner was told to end"))
        self._relay = Relay(self._reach_obra) if job["relay"] else None
        try:
            self._process = self._start(job)
        except OSError:
            if self._relay:
                self._relay.close()
            raise
        self._files = {name: path.open("ab", buffering=0) for name, path in self._paths().items()}
        self._selector = selectors.DefaultSelector()
        for name in self._files:
            pipe = getattr(self._process, "stdout" if name == "out" else "stderr")
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, selectors.EVENT_READ, name)
        self._input: IO[bytes] | None = self._process.stdin
        os.set_blocking(self._process.stdin.fileno(), False)  # type: ignore[union-attr]  # asked for
        self._folder.write_status({"state": "runs"})

    def run(self) -> None:
        """Keep the agent until it ends, or must; then nothing of it is left, and the status says how it ended."""
        while self._process.poll() is None:
            self._read(_LOOK_SECONDS)
            self._obey()
            self._look_at_the_clock()
            if not self._stop:
                self._feed()
            else:
                self._press()
        self._read(0)
        is_clean = sweep(self._marker, os.getpid())
        while self._read(0):
            continue
        if self._relay:
            self._relay.close()
        why = self._why if is_clean else f"{self._why}; processes with {RUN_ID}={self._marker} do not end"
        self._folder.write_status({"state": "ended", "code": self._process.returncode, "why": why})

    def _paths(self) -> dict[str, Path]:
        return {"out": self._folder.out, "err": self._folder.err}

    def _start(self, job: dict[str, Any]) -> subprocess.Popen[bytes]:
        environment = {name: os.environ[name] for name in job["keep"] if name in os.environ}
        environment.update(job["environment"])
        environment[RUN_ID] = self._marker
        if self._relay:
            environment[job["relay"]] = f"http://127.0.0.1:{self._relay.port}"
        pipe = subprocess.PIPE
        return subprocess.Popen(
            job["command"],
            cwd=job["cwd"],
            env=environment,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            start_new_session=True,
            preexec_fn=dies_with_us(),  # noqa: PLW1509  # two system calls; the only threads wait for connections
        )

    def _read(self, seconds: float) -> bool:
        """Write down what the agent printed; return whether there was any."""
        was_any = False
        for key, _ in self._selector.select(seconds):
            try:
                data = os.read(key.fd, _CHUNK)
            except BlockingIOError:
                continue
            if not data:
                self._selector.unregister(key.fileobj)
                continue
            was_any = True
            self._heard = time.monotonic()
            self._write_down(self._files[key.data], data)
        if not self._selector.get_map():
            time.sleep(seconds)
        return was_any

    def _write_down(self, file: Any, data: bytes) -> None:
        self._written += len(data)
        if self._written > MOST_OUTPUT:
            self._end("hopeless", f"it printed more than {MOST_OUTPUT} bytes")
            return
        try:
            while data:
                data = data[file.write(data) :]
        except OSError as error:
            self._end("hopeless", f"what it prints cannot be written down: {error}")

    def _obey(self) -> None:
        """Take the orders that stand in the file, if they are new."""
        try:
            found = self._folder.orders.stat()
        except FileNotFoundError:
            return
        if (found.st_ino, found.st_mtime_ns) == self._orders_seen:
            return
        self._orders_seen = (found.st_ino, found.st_mtime_ns)
        before, self._orders = self._orders, self._folder.read_orders()
        if self._orders.get("turn") != before.get("turn"):
            self._turn_begun = self._heard = time.monotonic()
        if self._relay and self._orders.get("port") != before.get("port"):
            self._relay.streams.cut()  # they lead nowhere any more
        if self._orders.get("stop"):
            self._end(str(self._orders["stop"]), "")

    def _look_at_the_clock(self) -> None:
        """End the agent when Obra has not been heard for the lease, or the turn takes too long."""
        now = time.monotonic()
        seen = self._folder.lease.stat().st_mtime_ns
        if seen != self._lease_seen:
            self._lease_seen, self._lease_heard = seen, now
        if now - self._lease_heard > self._lease:
            self._end("hopeless", f"nothing was heard of Obra for {self._lease:g} s")
        passed, self._looked = now - self._looked, now
        if self._orders.get("paused"):  # a person decides: that takes as long as it takes
            self._turn_begun += passed
            self._heard += passed
            return
        total, idle = self._orders.get("total"), self._orders.get("idle")
        if total and now - self._turn_begun > total:
            self._end("hopeless", f"the turn was not done after {total:g} s")
        if idle and now - self._heard > idle:
            self._end("hopeless", f"it was silent for {idle:g} s")

    def _feed(self) -> None:
        """Write to the agent what Obra sent, as fast as it takes it; its input ends where Obra says so."""
        if self._input is None:
            return
        with self._folder.input.open("rb") as stream:
            stream.seek(self._fed)
            data = stream.read(_CHUNK)
        try:
            if data:
                self._fed += os.write(self._input.fileno(), data)
            elif self._orders.get("input_ends") == self._fed:
                self._end_input()
        except BlockingIOError:
            return
        except BrokenPipeError:  # it is ending, which tells the rest
            self._end_input()

    def _end_input(self) -> None:
        if self._input is not None:
            with contextlib.suppress(BrokenPipeError):
                self._input.close()
            self._input = None

    def _end(self, how: str, why: str) -> None:
        """Begin to end the agent; the first reason counts."""
        if not self._stop:
            self._stop, self._why = how, why
            self._stop_begun = time.monotonic()
        elif how == "hopeless":
            self._stop = how

    def _press(self) -> None:
        """Tell the agent to end, more and more firmly; the end of its input is what it obeys best."""
        wanted = self._orders.get("input_ends")
        if self._why or wanted is None or wanted == self._fed:
            self._end_input()
        else:
            self._feed()
        late = time.monotonic() - self._stop_begun - _PATIENCE[self._stop]
        for after, number in _LADDER[self._rung :]:
            if late > after:
                self._process.send_signal(number)
                self._rung += 1

    def _reach_obra(self) -> socket.socket:
        """Connect to the port that leads to Obra now; while the link is down, wait for the next one."""
        end = time.monotonic() + self._lease
        while True:
            port = self._orders.get("port")
            try:
                if port:
                    return socket.create_connection(("127.0.0.1", int(port)))
            except OSError:
                if time.monotonic() > end:
                    raise
            if time.monotonic() > end:
                raise TimeoutError("no link to Obra")
            time.sleep(_LOOK_SECONDS)
