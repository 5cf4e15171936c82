"""Secrets out of text: the values of settings and variables whose names sound secret, and logins in addresses."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping

_SECRET_NAME = re.compile(r"key|token|secret|passw|credential", re.IGNORECASE)
_SECRET_ARGUMENT = re.compile(
    r"^([^=]*(?:key|token|secret|passw|credential|webhook)[^=]*=)(.+)", re.IGNORECASE | re.DOTALL
)
_ADDRESS_LOGIN = re.compile(r"://[^/@\s]+@")
_SHORTEST_SECRET = 6
"""Characters; shorter values of the environment are words like "true", and would blot out half of a text."""


def without_secrets(argument: str) -> str:
    """Return ``name=value`` with ``***`` for a value whose name sounds secret, and for a login in an address."""
    return _ADDRESS_LOGIN.sub("://***@", _SECRET_ARGUMENT.sub(r"\1***", argument))


def secrets_in(arguments: Iterable[str]) -> tuple[str, ...]:
    """Return the values of those of the *arguments* ``name=value`` whose name sounds secret."""
    return tuple(match[2] for match in map(_SECRET_ARGUMENT.match, arguments) if match)


def hider(secrets: Iterable[str] = (), environ: Mapping[str, str] | None = None) -> Callable[[str], str]:
    """Return a function that blots out *secrets*, and every secret that the environment holds.

    Args:
        secrets: values that must not be shown; those of fewer than 6 characters are left, as they are words.
        environ: the variables to look through; those of this process when ``None``.
    """
    variables = os.environ if environ is None else environ
    found = [*secrets, *(value for name, value in variables.items() if _SECRET_NAME.search(name))]
    hidden = sorted({one for one in found if len(one) >= _SHORTEST_SECRET}, key=len, reverse=True)

    def hide(text: str) -> str:
        for secret in hidden:
            text = text.replace(secret, "***")
        return _ADDRESS_LOGIN.sub("://***@", text)

    return hide
