"""FileWatcher: tells which files under a folder are touched, while they are touched.

A sign of life, never evidence: the kernel drops events when its queue is full, a folder that was just made may
be filled before it is watched, and a busy machine is late. What changed is read from two snapshots instead.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Self

from obra.errors import PrerequisiteError, WorkspaceError

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent
    from watchdog.observers.api import BaseObserver

logger = logging.getLogger(__name__)

POLLING_SECONDS = 1.0
"""Between two looks at the whole folder, where the kernel cannot tell us."""

_PARTS = 10

_NO_MORE_WATCHES = {errno.ENOSPC, errno.EMFILE, errno.ENFILE}

_KINDS = {
    "created": "created",
    "modified": "modified",
    "attrib": "modified",
    "deleted": "deleted",
    "moved": "moved",
}


class FileWatcher:
    r"""Calls ``on_touch(path, kind)`` for each file under a folder that is changed; a context manager.

    ``path`` is relative to the folder and uses ``/``; bytes that are no UTF-8 are written as ``\xff``. ``kind``
    is ``created``, ``modified``, ``deleted`` or ``moved`` (``path`` is then the new one, so that a file saved by
    writing aside and renaming has its own name). Reading a file is no touch, and folders are not reported. One
    change may be told more than once.

    ``on_touch`` runs in a thread of the watcher, one call at a time, and may take its time. What it raises is
    logged, and the next touch is delivered all the same.
    """

    SETTLING_SECONDS = 3.0
    """Without any event for this long, :meth:`stop` believes that none is under way; watchdog holds a move for
    0.5 s, and a busy machine lets its threads wait. Only where a folder makes no last event it takes that long."""

    DELIVERY_SECONDS = 5.0
    """A listener that takes longer than this for one touch while :meth:`stop` waits is given up."""

    def __init__(self, root: Path, on_touch: Callable[[str, str], None], *, ignore: Sequence[str] = ()) -> None:
        """Take the folder and the listener; *ignore* are names of files or folders, at any depth, to be silent of.

        Nothing is watched before :meth:`start`.
        """
        self._root = os.path.realpath(root)
        self._on_touch = on_touch
        self._ignore = frozenset(ignore)
        self._observer: BaseObserver | None = None
        self._deliverer: threading.Thread | None = None
        self._queue: SimpleQueue[FileSystemEvent | None] = SimpleQueue()
        self._seen = self._delivered = 0
        self._is_stopping = False
        self._settled = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Watch from now on; does nothing when it already does. May be called again after :meth:`stop`.

        When the kernel has no more watches to give, the folder is looked through once a second instead, and a
        warning is logged.

        Raises:
            PrerequisiteError: watchdog is not installed.
            WorkspaceError: the folder cannot be watched.
        """
        if self._observer is not None:
            return
        self._queue = SimpleQueue()
        self._seen = self._delivered = 0
        self._is_stopping = False
        self._settled.clear()
        self._observer = self._started_observer()
        self._deliverer = threading.Thread(
            target=self._deliver, args=(self._queue,), name="obra-file-watcher", daemon=True
        )
        self._deliverer.start()

    def stop(self) -> None:
        """Deliver what was touched before this call, then end; safe to call twice.

        Called by ``on_touch`` itself it ends at once and delivers what is already queued.
        """
        observer, deliverer = self._observer, self._deliverer
        if observer is None or deliverer is None:
            return
        self._observer = self._deliverer = None
        is_own_thread = deliverer is threading.current_thread()
        if not is_own_thread:
            self._let_settle(observer)
        observer.stop()
        observer.join()
        self._queue.put(None)
        if not is_own_thread and not _waited(
            lambda seconds: _joined(deliverer, seconds), lambda: self._delivered, self.DELIVERY_SECONDS
        ):
            self._give_up()

    def _started_observer(self) -> BaseObserver:
        try:
            from watchdog.observers import Observer
            from watchdog.observers.polling import PollingObserver
        except ImportError as error:
            raise PrerequisiteError([f"watching files needs watchdog ({error}): pip install watchdog"]) from error
        if not os.path.isdir(self._root):  # noqa: PTH112  # watchdog speaks str
            raise WorkspaceError(f"{self._root} cannot be watched: it is not a folder; create it first")
        try:
            try:
                return self._scheduled(Observer)
            except OSError as error:
                if error.errno not in _NO_MORE_WATCHES:
                    raise
                logger.warning(
                    "the kernel cannot watch %s (%s): looking through it every %g s instead; "
                    "raise fs.inotify.max_user_watches and max_user_instances, or the limit on open files",
                    self._root,
                    error,
                    POLLING_SECONDS,
                )
                return self._scheduled(PollingObserver)
        except OSError as error:
            raise WorkspaceError(
                f"{self._root} cannot be watched: {error.strerror or error}; look at its permissions"
            ) from error

    def _scheduled(self, observer_class: Callable[..., BaseObserver]) -> BaseObserver:
        from watchdog import events

        watcher = self
        # watchdog warns when a folder made inside a new one is found twice, which is harmless. Where warnings are
        # errors, as in many test runs, that would end its reading thread.
        warnings.filterwarnings("ignore", "Callback with id .* already exists", RuntimeWarning)

        class Handler(events.FileSystemEventHandler):
            def dispatch(self, event: FileSystemEvent) -> None:
                watcher._take(event)  # one object in two shapes

        observer = observer_class(timeout=POLLING_SECONDS)
        changes: list[type[FileSystemEvent]] = [
            events.FileCreatedEvent,
            events.FileModifiedEvent,
            events.FileAttribEvent,
            events.FileDeletedEvent,
            events.FileMovedEvent,
            events.DirAttribEvent,  # these two only for the folder itself, see _take
            events.DirDeletedEvent,
        ]
        try:
            observer.schedule(Handler(), self._root, recursive=True, event_filter=changes)
            observer.start()
        except OSError:
            observer.stop()  # frees what its construction took
            raise
        return observer

    def _take(self, event: FileSystemEvent) -> None:
        """Queue *event*. Runs in watchdog's thread, where waiting would lose events."""
        self._seen += 1
        if not event.is_directory:
            self._queue.put(event)
        elif event.src_path == self._root and (event.event_type == "deleted" or self._is_stopping):
            self._settled.set()

    def _let_settle(self, observer: BaseObserver) -> None:
        """Wait until the events of all that happened before now are queued.

        Stopping watchdog throws away what it has not handed over yet. All of its queues keep their order, so an
        event of our own, made after the others, tells that they have passed.
        """
        self._is_stopping = True
        self._make_last_event(observer)
        if not _waited(self._settled.wait, lambda: self._seen, self.SETTLING_SECONDS):
            logger.debug("no last event came from %s; its file events were quiet", self._root)

    def _make_last_event(self, observer: BaseObserver) -> None:
        from watchdog.events import DirAttribEvent
        from watchdog.observers.polling import PollingObserver

        if isinstance(observer, PollingObserver):
            for emitter in tuple(observer.emitters):
                emitter.queue_events(0)
                observer.event_queue.put((DirAttribEvent(self._root), emitter.watch))
            return
        # Setting the folder's mode to what it is changes nothing in it and yet makes an event. It fails when the
        # folder is gone or not ours; then quiet has to do.
        with contextlib.suppress(OSError):
            os.chmod(self._root, stat.S_IMODE(os.stat(self._root).st_mode))  # noqa: PTH101, PTH116  # str as above

    def _deliver(self, queue: SimpleQueue[FileSystemEvent | None]) -> None:
        while (event := queue.get()) is not None:
            touch = self._touch(event)
            if touch is not None:
                try:
                    self._on_touch(*touch)
                except Exception:
                    logger.exception("the listener failed on %s (%s); watching goes on", *touch)
            self._delivered += 1

    def _touch(self, event: FileSystemEvent) -> tuple[str, str] | None:
        kind = _KINDS[event.event_type]
        path = self._visible(event.src_path)
        if kind == "moved":
            new_path = self._visible(event.dest_path)
            if new_path is None:
                kind = "deleted"  # it went to where we do not look
            else:
                path = new_path
        return None if path is None else (path, kind)

    def _visible(self, path: Any) -> str | None:
        """Return *path* for people, relative to the folder, or None when it is to be ignored."""
        parts = Path(os.path.relpath(os.fsdecode(path), self._root)).parts
        if not self._ignore.isdisjoint(parts):
            return None
        return os.fsencode("/".join(parts)).decode("utf-8", "backslashreplace")

    def _give_up(self) -> None:
        left = 0
        with contextlib.suppress(Empty):
            while self._queue.get_nowait() is not None:
                left += 1
        self._queue.put(None)
        logger.warning(
            "the listener has not returned for %g s; %d more touches of files in %s are not delivered",
            self.DELIVERY_SECONDS,
            left,
            self._root,
        )


def _waited(is_done: Callable[[float], bool], progress: Callable[[], int], seconds: float) -> bool:
    """Wait until *is_done*, which waits itself, or nothing went on for *seconds*; return whether it was done.

    The seconds are counted in parts: while this machine stands still, only one of them passes.
    """
    before, left = progress(), _PARTS
    while left:
        if is_done(seconds / _PARTS):
            return True
        before, left = (before, left - 1) if progress() == before else (progress(), _PARTS)
    return False


def _joined(thread: threading.Thread, seconds: float) -> bool:
    thread.join(seconds)
    return not thread.is_alive()
