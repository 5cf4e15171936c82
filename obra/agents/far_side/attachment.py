"""One link's end at the other machine: sends what the runner wrote from an offset on, takes what Obra sends.

It holds nothing: it may be killed at any byte, and the next one goes on. Frames are a line of JSON and, where that
names a ``size``, so many bytes. What a frame asks is safe to be asked twice, and too late.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NoReturn

from obra.agents.far_side.files import Folder

GONE = 3
"""Exit code when there is no such run."""
TAKEN = 4
"""Exit code when another Obra has taken the run over."""
_CHUNK = 128 * 1024
_LOOK_SECONDS = 0.02
_LOG_SHOWN = 1000


class Frames:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[dict[str, object], bytes]]:
        """Yield the frames that *data* completes."""
        self._buffer += data
        while (end := self._buffer.find(b"\n")) >= 0:
            header = json.loads(bytes(self._buffer[:end]))
            size = int(header.get("size", 0))
            if len(self._buffer) < end + 1 + size:
                return
            body = bytes(self._buffer[end + 1 : end + 1 + size])
            del self._buffer[: end + 1 + size]
            yield header, body


def frame(header: dict[str, object], body: bytes = b"") -> bytes:
    """Return one frame."""
    return json.dumps({**header, "size": len(body)}).encode() + b"\n" + body


def attach(root: Path, *, out_at: int, err_at: int, beat: float, claim: str) -> int:
    """Serve one link until its input ends; return the exit code.

    Args:
        root: folder of the run.
        out_at: how many bytes of the agent's output Obra has.
        err_at: the same for standard error.
        beat: seconds between two signs of life.
        claim: what must stand in the owner's file for as long as anything is taken from this link.
    """
    folder = Folder(root)
    if not folder.lease.exists():
        sys.stderr.write(f"there is no run in {root}\n")
        return GONE
    telling = threading.Thread(target=_tell, args=(folder, sys.stdout.buffer, out_at, err_at, beat), daemon=True)
    telling.start()
    frames = Frames()
    while data := os.read(0, _CHUNK):
        for header, body in frames.feed(data):
            try:
                is_ours = _take(folder, header, body, claim)
            except OSError as error:
                _leave(1, f"what Obra sends cannot be written down: {error}")
            if not is_ours:
                _leave(TAKEN, "another Obra has taken this run over")
    os._exit(0)  # the other thread may wait for a peer that reads no more


def _leave(code: int, why: str) -> NoReturn:
    sys.stderr.write(f"{why}\n")
    sys.stderr.flush()
    os._exit(code)


def _take(folder: Folder, header: dict[str, object], body: bytes, claim: str) -> bool:
    """Do what one frame says, and tell whether it may say anything.

    An older attachment, long given up, may be at it at the same moment.
    """
    with folder.turnstile.open("rb") as turnstile:
        fcntl.flock(turnstile, fcntl.LOCK_EX)
        if not folder.is_claimed(claim):
            return False
        os.utime(folder.lease)
        if header["kind"] == "input":
            with folder.input.open("ab", buffering=0) as stream:
                known = stream.seek(0, os.SEEK_END) - int(str(header["at"]))
                rest = body[known:] if known >= 0 else b""
                while rest:
                    rest = rest[stream.write(rest) :]
        elif header["kind"] == "orders" and _serial(header) > _serial(folder.read_orders()):
            beside = folder.orders.with_suffix(".new")
            beside.write_text(json.dumps(header))
            beside.replace(folder.orders)
    return True


def _serial(orders: dict[str, object]) -> int:
    return int(str(orders.get("serial", 0)))


def _tell(folder: Folder, stream: IO[bytes], out_at: int, err_at: int, beat: float) -> None:
    """Send the output as it grows, the status when it changes, and a sign of life each *beat* seconds."""
    told: object = None
    told_when = 0.0
    while True:
        is_kept = folder.is_kept()
        status = folder.read_status()
        if not status:
            time.sleep(_LOOK_SECONDS)
            continue
        before = out_at, err_at
        out_at = _send_growth(folder.out, "out", out_at, stream)
        err_at = _send_growth(folder.err, "err", err_at, stream)
        is_all = before == (out_at, err_at)
        state = "runs" if is_kept or not is_all else status["state"] if status["state"] == "ended" else "gone"
        if state == "gone":
            status["why"] = f"its runner was killed {folder.log.read_text(errors='replace')[-_LOG_SHOWN:]}".strip()
        now = {**status, "kind": "status", "state": state, "input": folder.input.stat().st_size}
        if now != told or time.monotonic() - told_when >= beat:
            stream.write(frame(now))
            told, told_when = now, time.monotonic()
        stream.flush()
        if is_all:
            time.sleep(_LOOK_SECONDS)


def _send_growth(path: Path, kind: str, at: int, stream: IO[bytes]) -> int:
    """Send the next piece of *path* after *at* bytes; return how many the other side then has."""
    if path.stat().st_size <= at:
        return at
    with path.open("rb") as file:
        file.seek(at)
        body = file.read(_CHUNK)
    stream.write(frame({"kind": kind, "at": at}, body))
    return at + len(body)
