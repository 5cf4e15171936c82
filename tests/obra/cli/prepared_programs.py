"""``obra`` and ``pytest`` in processes of their own that need not import everything anew.

Most of the second that a start takes is imports, so each process is forked from one that has them. Everything else
is as with a process that was just started: arguments, environment, folder, pipes, memory, signals, exit code.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

LIBRARIES = (
    "pytest", "alembic.command", "click", "filelock", "httpx", "jinja2", "jsonschema", "pdb", "psutil", "pydantic",
    "pygit2", "rich.console", "sqlalchemy.dialects.sqlite", "sqlalchemy.orm", "yaml",
)  # fmt: skip
ROOMS = (
    "", "cli", "evidence", "judging", "llm", "monitoring", "prompting", "reports", "sabotage", "scenarios",
    "state", "statistics", "workspace",
)  # fmt: skip
"""Rooms of ``obra`` that most programs enter. No plugin of pytest: it wants to read those itself."""


def _names() -> list[str]:
    package = Path(__file__).parents[3] / "obra"
    files = [path for room in ROOMS for path in sorted((package / room).glob("*.py"))]
    ours = [file.relative_to(package.parent).with_suffix("").parts for file in files if file.stem[0] != "_"]
    return [*LIBRARIES, *(".".join(parts) for parts in ours)]


_context = get_context("forkserver")
_context.set_forkserver_preload(_names())


@dataclass(frozen=True)
class Ended:
    """How a program ended; *code* is negative when a signal ended it."""

    code: int
    out: str
    err: str


def run(
    program: str,
    arguments: Sequence[str],
    *,
    folder: Path,
    variables: Mapping[str, str],
    stdin: bytes = b"",
    seconds: float = 250.0,
) -> Ended:
    """Run ``obra`` or ``pytest`` as ``python -m PROGRAM`` would, and return how it ended.

    What the interpreter itself reads at its start, such as ``PYTHONUTF8`` or ``LANG``, comes too late here.

    Raises:
        TimeoutError: it still ran after *seconds*; it was killed.
    """
    pipes = [_context.Pipe(duplex=False) for _ in range(3)]
    (theirs_in, ours_in), (ours_out, theirs_out), (ours_err, theirs_err) = pipes
    theirs = (theirs_in, theirs_out, theirs_err)
    process = _context.Process(target=_be, args=(program, list(arguments), folder, dict(variables), theirs))
    with warnings.catch_warnings():
        # A test that ends all that it can find may have ended the library's tracker, too, which then begins anew.
        warnings.filterwarnings("ignore", "resource_tracker: process died unexpectedly", UserWarning)
        process.start()
    for end in theirs:
        end.close()
    texts = [bytearray(), bytearray()]
    work = [(_read, ours_out, texts[0]), (_read, ours_err, texts[1]), (_write, ours_in, stdin)]
    threads = [threading.Thread(target=do, args=(end, text)) for do, end, text in work]
    for thread in threads:
        thread.start()
    try:
        process.join(seconds)
    finally:
        code = process.exitcode
        process.kill()  # does nothing to one that has ended
        process.join()
        for thread in threads:
            thread.join()
        process.close()
    out, err = (text.decode() for text in texts)
    if code is None:
        raise TimeoutError(f"{program} {' '.join(arguments)} still ran after {seconds} s: {out}{err}")
    return Ended(code, out, err)


def _read(end: Connection, text: bytearray) -> None:
    with end:
        while found := os.read(end.fileno(), 65536):
            text += found


def _write(end: Connection, text: bytes) -> None:
    with end, contextlib.suppress(BrokenPipeError), open(end.fileno(), "wb", closefd=False) as stream:
        stream.write(text)


def _be(
    program: str, arguments: list[str], folder: Path, variables: dict[str, str], ends: tuple[Connection, ...]
) -> None:
    """Become the program; this runs in the process that was forked."""
    for number, end in enumerate(ends):
        os.dup2(end.fileno(), number)
        end.close()
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0)), encoding="utf-8")
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w")), encoding="utf-8")
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(io.FileIO(2, "w")), "utf-8", "backslashreplace", write_through=True
    )
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    sys.dont_write_bytecode = bool(variables.get("PYTHONDONTWRITEBYTECODE"))
    sys.path.insert(0, str(folder))
    sys.argv = [program, *arguments]
    if program == "pytest":
        import pytest

        sys.exit(pytest.console_main())
    from obra.cli import main

    main()
