"""ServerConnection: HTTP to one LLM server, where all that goes wrong is a typed error. httpx stays in here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from obra.errors import ConfigError, LLMProtocolError, LLMTimeout, LLMUnavailable
from obra.llm.server_address import ServerAddress
from obra.llm.stream_lines import words_of

if TYPE_CHECKING:
    import httpx

Result = TypeVar("Result")

CONNECT_SECONDS = 5.0
"""A server that is there accepts at once, even while it loads a model."""

OK = 200
_KEY_IS_WRONG = (401, 403)


class ServerRefused(LLMProtocolError):
    """The server answered with another status than 200.

    Attributes:
        status: the HTTP status.
        where: the server's address.
        words: what the server said, in quotes and cut to a line's length.
    """

    def __init__(self, where: str, status: int, words: str) -> None:
        """Keep the parts and write the message."""
        self.where = where
        self.status = status
        self.words = words
        super().__init__(f"the LLM server at {where} refused with status {status}: {words}")


class ServerConnection:
    """Requests to one server, none of them repeated.

    No socket outlives its request, so a connection that is simply dropped leaves nothing open. May be used from
    several threads.
    """

    def __init__(
        self,
        address: ServerAddress,
        timeout: float,
        *,
        key: str | None = None,
        start: str = "start it with `ollama serve`",
    ) -> None:
        """Take the address and the longest silence, in seconds, within an answer. Nothing is sent yet.

        Args:
            address: where the server is.
            timeout: seconds.
            key: sent as ``Authorization: Bearer``; shown nowhere, not even when the server repeats it.
            start: what to do when nobody answers, for the message.

        Raises:
            ConfigError: the key cannot stand in a header.
        """
        if key is not None and not (key.isascii() and key.isprintable() and key.strip() == key):
            raise ConfigError(
                "llm.api_key has characters that no key can have, such as a line end; copy it once more"
            )
        self.address = address
        self._timeout = timeout
        self._key = key
        self._start = start
        self._open_client: httpx.Client | None = None

    def get(self, path: str) -> dict[str, Any]:
        """Return the JSON object at *path*; a silent server is given 5 s.

        Raises:
            LLMError: there is none.
        """
        request = self._request("GET", path, CONNECT_SECONDS)
        with self._typed_errors(CONNECT_SECONDS):
            response = self._client().send(request)
        try:
            if response.status_code in _KEY_IS_WRONG:
                raise ServerRefused(self.address.shown, response.status_code, self._words(response))
            data = response.json() if response.status_code == OK else None
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise LLMProtocolError(
                f"{self.address.shown}{path} answers with status {response.status_code} and "
                f"{self._words(response)}, not as such a server does; check llm.api_url"
            )
        return data

    def post(
        self, path: str, body: Mapping[str, Any], *, first: float, read: Callable[[Iterator[bytes]], Result]
    ) -> Result:
        """Send *body* as JSON and return what *read* makes of the bytes of the answer, as they come.

        The first byte may take *first* seconds.

        Raises:
            LLMUnavailable: nothing listens at the address.
            LLMTimeout: the server was silent for too long.
            ServerRefused: the status is not 200.
            LLMProtocolError: the connection broke.
        """
        request = self._request("POST", path, first, body)
        with self._typed_errors(first):
            response = self._client().send(request, stream=True)
        try:
            # The first byte is here; httpx hands this mapping to each further read.
            request.extensions["timeout"]["read"] = self._timeout
            with self._typed_errors(self._timeout):
                if response.status_code != OK:
                    response.read()
                    raise ServerRefused(self.address.shown, response.status_code, self._words(response))
                return read(response.iter_bytes())
        finally:
            response.close()

    def close(self) -> None:
        """Free the client; safe to call twice, and the next request makes a new one."""
        client, self._open_client = self._open_client, None
        if client is not None:
            client.close()

    def _client(self) -> httpx.Client:
        if self._open_client is None:
            import httpx

            self._open_client = httpx.Client(
                # A proxy named in the environment is for the way out of this machine. It can only break the
                # way to a server on it, and many people set no NO_PROXY.
                trust_env=not self.address.is_this_machine,
                headers={"Authorization": f"Bearer {self._key}"} if self._key else None,
                limits=httpx.Limits(max_keepalive_connections=0),
            )
        return self._open_client

    def _request(
        self, method: str, path: str, first: float, body: Mapping[str, Any] | None = None
    ) -> httpx.Request:
        import httpx

        limits = httpx.Timeout(self._timeout, connect=CONNECT_SECONDS, read=first)
        try:
            return self._client().build_request(method, self.address.url + path, json=body, timeout=limits)
        except httpx.InvalidURL as error:
            raise ConfigError(f"llm.api_url {self.address.shown!r} is no address: {error}") from error

    @contextmanager
    def _typed_errors(self, seconds: float) -> Iterator[None]:
        import httpx

        where = self.address.shown
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise LLMUnavailable(
                f"no LLM server answers at {where} ({error}); {self._start}, or set llm.api_url to where it is"
            ) from error
        except httpx.TimeoutException as error:
            raise LLMTimeout(
                f"the LLM server at {where} was silent for {seconds:g} s; "
                f"raise llm.timeout, choose a smaller model, or ask it fewer things at once"
            ) from error
        except httpx.HTTPError as error:
            raise LLMProtocolError(
                f"the LLM server at {where} broke off before its answer was complete "
                f"({str(error) or type(error).__name__}); see its log"
            ) from error

    def _words(self, response: httpx.Response) -> str:
        """Return what the server said, in quotes and cut to a line's length, without the key."""
        try:
            data = response.json()
        except ValueError:
            data = None
        said = words_of(data["error"] if isinstance(data, dict) and "error" in data else response.text)
        return said.replace(self._key, "***") if self._key else said
