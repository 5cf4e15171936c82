"""ServerAddress: what ``llm.api_url`` says, checked before anything is sent to it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from obra.errors import ConfigError

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where an LLM server is.

    ``url`` has no ``/`` at its end and is what requests are sent to; ``shown`` is the same without a password,
    for messages; ``is_this_machine`` is true for loopback names and numbers; ``place`` is one text for all the
    ways to write the same server.
    """

    url: str
    shown: str
    is_this_machine: bool
    place: str

    @classmethod
    def parse(cls, api_url: str) -> ServerAddress:
        """Read a setting such as ``http://localhost:11434``.

        Raises:
            ConfigError: it is not the address of a server's root.
        """
        url = api_url.strip().rstrip("/")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise ConfigError(
                f"llm.api_url is no address ({error}); it must look like 'http://localhost:11434'"
            ) from error
        shown = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment:
            raise ConfigError(f"llm.api_url must look like 'http://localhost:11434'; it is {shown!r}")
        is_here = _is_this_machine(host)
        place = f"{'this machine' if is_here else host}:{port or _PORTS[parts.scheme]}"
        return cls(url, shown, is_here, place)


def _is_this_machine(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified
