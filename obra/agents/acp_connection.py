"""One process that speaks the Agent Client Protocol, behind a synchronous face.

The protocol's library wants an event loop; one thread runs it and does nothing else. Whatever the agent says comes
through a queue to the thread that waits for it, so that limits, events and permissions are dealt with there.
"""

from __future__ import annotations

import asyncio
import json
import queue
import subprocess
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from obra.agents.wire import LONGEST_LINE
from obra.errors import AgentUnavailable, WorkspaceError
from obra.workspace.ctrl_c import ctrl_c_waits
from obra.workspace.processes import AGENT, ProcessTree

if TYPE_CHECKING:
    from acp import RequestPermissionResponse
    from acp.client.connection import ClientSideConnection
    from acp.connection import StreamEvent

_END_OF_INPUT_SECONDS = 0.5
_SHOWN_ERRORS = 1000


class Asked:
    """The agent asks whether it may make a tool call; it waits for :attr:`answer`."""

    def __init__(self, call: Mapping[str, Any], options: Sequence[Mapping[str, Any]]) -> None:
        """Keep what is asked: the call and the options to choose from, as the protocol writes them."""
        self.call = call
        self.options = options
        self.answer: Future[str] = Future()
        """Id of the chosen option; empty for a refusal where there is no option for one."""


class ACPConnection:
    """A started agent, and the thread that talks to it.

    Attributes:
        heard: lines (:class:`str`, JSON) and questions (:class:`Asked`) from the agent; ``None`` wakes the reader.
    """

    def __init__(
        self, command: Sequence[str], *, cwd: Path, environment: Mapping[str, str], errors: Path, name: str
    ) -> None:
        """Start the process; its standard error goes to the file *errors*.

        Raises:
            AgentUnavailable: it cannot be started.
        """
        self.heard: queue.SimpleQueue[str | Asked | None] = queue.SimpleQueue()
        self._errors = errors
        try:
            with ExitStack() as undo:  # whatever a handler raises: nobody else knows of what has started
                with ctrl_c_waits():
                    self._start(command, cwd, environment, undo)
                undo.pop_all()
        except WorkspaceError as error:
            raise AgentUnavailable(f"{name} cannot be started: {error}") from error

    def _start(self, command: Sequence[str], cwd: Path, environment: Mapping[str, str], undo: ExitStack) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="obra-acp", daemon=True)
        self._thread.start()
        undo.callback(self._end_loop)
        pipe = subprocess.PIPE
        with self._errors.open("wb") as stderr:
            self._tree = ProcessTree(
                command,
                cwd=cwd,
                environment=environment,
                stdin=pipe,
                stdout=pipe,
                stderr=stderr,
                dies_with_thread=False,
            )
        undo.callback(self._tree.sweep)
        self._connection: ClientSideConnection = self._do(self._connect()).result()
        undo.pop_all()
        undo.callback(self.close, hopeless=True)

    def call(self, make: Callable[[ClientSideConnection], Coroutine[Any, Any, Any]]) -> Future[Any]:
        """Begin a request to the agent; the future has its answer, and the reader is woken when it is there."""
        future = self._do(make(self._connection))
        future.add_done_callback(lambda _: self.heard.put(None))
        return future

    def prompt(self, session: str, prompt: str) -> Future[Any]:
        """Begin a turn; the future has its answer."""
        from acp import text_block

        words: list[Any] = [text_block(prompt)]
        return self.call(lambda agent: agent.prompt(session_id=session, prompt=words))

    def is_alive(self) -> bool:
        """Tell whether the process runs."""
        return self._tree.process.poll() is None

    def errors(self) -> str:
        """Return the end of what it printed to standard error."""
        return self._errors.read_bytes()[-_SHOWN_ERRORS:].decode("utf-8", "replace").strip()

    def close(self, *, hopeless: bool = False) -> None:
        """End the process, everything it started, and the thread."""
        process = self._tree.process
        try:
            self._do(self._connection.close()).result()
            if self._tree.wait(0 if hopeless else _END_OF_INPUT_SECONDS) is None:
                self._tree.stop(AGENT)
        finally:
            self._tree.sweep()
            self._end_loop()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()

    def _end_loop(self) -> None:
        self._do(self._settle()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _connect(self) -> ClientSideConnection:
        from acp import connect_to_agent

        loop, process = asyncio.get_running_loop(), self._tree.process
        reader = asyncio.StreamReader(limit=LONGEST_LINE)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), process.stdout)
        transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, process.stdin)
        writer = asyncio.StreamWriter(transport, protocol, None, loop)
        client: Any = _Client(self.heard)
        return connect_to_agent(client, writer, reader, observers=[self._observe])

    def _observe(self, event: StreamEvent) -> None:
        if event.direction.value == "incoming":
            self.heard.put(json.dumps(event.message))

    async def _settle(self) -> None:
        """End what is left in the loop, and let its transports close."""
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)


class _Client:
    """What the protocol asks of us: an answer about permissions; files and terminals are the agent's own."""

    def __init__(self, heard: queue.SimpleQueue[str | Asked | None]) -> None:
        self._heard = heard

    async def session_update(self, session_id: str, update: Any, **more: Any) -> None:
        """The message itself was observed."""

    async def request_permission(
        self,
        session_id: str,  # noqa: ARG002  # there is one
        tool_call: Any,
        options: Any,
        **more: Any,  # noqa: ARG002  # the protocol's
    ) -> RequestPermissionResponse:
        from acp import RequestPermissionResponse
        from acp.schema import AllowedOutcome, DeniedOutcome

        asked = Asked(_plain(tool_call), [_plain(option) for option in options])
        self._heard.put(asked)
        chosen = await asyncio.wrap_future(asked.answer)
        if not chosen:
            return RequestPermissionResponse(outcome=DeniedOutcome(outcome="cancelled"))
        return RequestPermissionResponse(outcome=AllowedOutcome(outcome="selected", option_id=chosen))


def _plain(model: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    return found
