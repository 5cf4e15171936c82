"""WatchServer: the same screen in a browser on this machine; each page has a process of its own.

Nothing is served without the token that was printed, not the websocket either, and nothing to a page of another
origin or under another name than 127.0.0.1, so that no site that a person visits can reach it (DNS rebinding,
cross-site websockets). All that the page needs comes from here; it is told to load nothing from elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import shlex
import signal
import socket
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from aiohttp import web
from textual_serve.app_service import AppService
from textual_serve.server import Server

from obra.errors import PrerequisiteError
from obra.watching.screen import PARENT

HOST = "127.0.0.1"
_PAGE = Path(__file__).parent / "page"
_PATIENCE = 2.0
"""Seconds that a process has to end by itself when its page is closed."""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; "
    "img-src 'self' data:; connect-src 'self' ws://{host}; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
logger = logging.getLogger("obra.web")


class Session(AppService):
    """The process behind one page; it goes with the page, by force if need be."""

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        variables = {**self._build_environment(width=width, height=height), PARENT: str(os.getpid())}
        self._process = process = await asyncio.create_subprocess_exec(
            *shlex.split(self.command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=variables,
            start_new_session=True,  # Ctrl-C in our terminal is ours to pass on
        )
        self._stdin = process.stdin
        return process

    async def stop(self) -> None:
        """End the process: it is asked to, and killed when it does not; safe to call twice."""
        process = self._process
        if process is None:
            return
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(_PATIENCE):
                await super().stop()
                await process.wait()
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # it ended this very moment
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


class WatchServer(Server):
    """Serves one command of ours on loopback.

    Attributes:
        address: where a browser finds it, with the token.
    """

    def __init__(self, command: Sequence[str], port: int = 0) -> None:
        """Take *port*, or any free one for 0.

        Raises:
            PrerequisiteError: the port is taken, or may not be.
        """
        try:
            self._socket = socket.create_server((HOST, port))
        except OSError as error:
            raise PrerequisiteError(
                [f"the port {port} of {HOST} cannot be opened: {error.strerror}; name another with --port"]
            ) from error
        port = self._socket.getsockname()[1]
        super().__init__(
            shlex.join(command),
            host=HOST,
            port=port,
            title="obra watch",
            templates_path=_PAGE,
        )
        self._token, self._pass = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self._cookie = f"obra_watch_{port}"  # cookies know no ports
        self._sessions: set[Session] = set()
        self.address = f"{self.public_url}/?token={self._token}"

    def serve(self, debug: bool = False) -> None:
        """Serve until SIGINT or SIGTERM; then every process that was started has ended."""
        del debug
        web.run_app(
            self._make_app(), sock=self._socket, print=None, access_log=None, shutdown_timeout=2 * _PATIENCE
        )

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(self._guard)
        app.router.add_get("/focus.js", self._focus)
        return app

    async def on_startup(self, app: web.Application) -> None:
        """Say nothing: the address was printed."""

    async def on_shutdown(self, app: web.Application) -> None:
        """End what pages are open."""
        del app
        await asyncio.gather(*(session.stop() for session in tuple(self._sessions)))

    async def _focus(self, request: web.Request) -> web.FileResponse:
        del request
        return web.FileResponse(_PAGE / "focus.js")

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        refusal = self._refusal(request)
        if refusal:
            return self._safe(web.Response(status=403, text=f"{refusal}\n"))
        if self._is(request.query.get("token", ""), self._token):
            response = web.Response(status=303, headers={"Location": "/"})
            response.set_cookie(self._cookie, self._pass, httponly=True, samesite="Strict", path="/")
            return self._safe(response)
        if not self._is(request.cookies.get(self._cookie, ""), self._pass):
            return self._safe(web.Response(status=403, text="open the address that 'obra watch --web' printed\n"))
        return self._safe(await handler(request))

    def _refusal(self, request: web.Request) -> str:
        """Say why a request cannot come from our own page; an empty text where it can."""
        if request.host != f"{HOST}:{self.port}":
            return f"this server is called {HOST}:{self.port} and nothing else"
        origin = request.headers.get("Origin")
        if origin not in (None, self.public_url) or (origin is None and request.path == "/ws"):
            return "another site may not look"
        return ""

    @staticmethod
    def _is(given: str, wanted: str) -> bool:
        return secrets.compare_digest(given.encode(), wanted.encode())

    def _safe(self, response: web.StreamResponse) -> web.StreamResponse:
        if not response.prepared:
            response.headers.update(
                {
                    "Content-Security-Policy": _POLICY.format(host=f"{HOST}:{self.port}"),
                    "X-Content-Type-Options": "nosniff",
                    "Referrer-Policy": "no-referrer",
                    "Cache-Control": "no-store",
                }
            )
        return response

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """Start a process and pass on what it paints and what is typed, until one side has enough."""
        websocket = web.WebSocketResponse(heartbeat=15)
        await websocket.prepare(request)

        async def close() -> None:
            await websocket.close()

        session = Session(
            self.command,
            write_bytes=websocket.send_bytes,
            write_str=websocket.send_str,
            close=close,
            download_manager=self.download_manager,
        )
        self._sessions.add(session)
        try:
            await session.start(_cells(request, "width", 80), _cells(request, "height", 24))
            await self._process_messages(websocket, session)
        except (ConnectionError, ValueError, LookupError, TypeError, AssertionError) as error:
            logger.info("a page was closed: %s", error)  # it went away, or sent what no page of ours sends
        finally:
            await session.stop()
            self._sessions.discard(session)
        return websocket


def _cells(request: web.Request, name: str, otherwise: int) -> int:
    given = request.query.get(name, "")
    return min(max(int(given), 1), 1000) if given.isdecimal() and len(given) < 5 else otherwise  # noqa: PLR2004  # digits
