"""How a promise is asked for: what was expected, and what came instead, in one AssertionError."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from obra.errors import AgentError, LLMError, ObraError, ScriptExhausted
from obra.plugins import AgentPlugin, LLMPlugin

ErrorTypes = tuple[type[ObraError], ...]

AGENT: ErrorTypes = (AgentError,)
LLM: ErrorTypes = (LLMError, ScriptExhausted)


def require_shape(plugin: object, protocol: type[Any]) -> None:
    """Require that *plugin* has every member of *protocol*."""
    wanted = sorted(name for name in vars(protocol) if not name.startswith("_"))
    absent = [name for name in wanted if name not in dir(plugin)]
    require(not absent, f"{type(plugin).__name__} is no {protocol.__name__}: it lacks {', '.join(absent)}")


def identity_of(plugin: AgentPlugin | LLMPlugin, expected: ErrorTypes) -> str:
    """Return the plugin's identity, which must be one line of text."""
    with no_error(expected, "identity"):
        name: object = plugin.identity
    is_line = isinstance(name, str) and bool(name.strip()) and "\n" not in name
    require(is_line, f"identity must be one line of text, such as 'my-agent 1.2'; it is {name!r}")
    return str(name)


def require_bool(ask: Callable[[], object], what: str, *, expected: bool) -> None:
    """Require that *ask* answers *expected*, and never raises."""
    try:
        answer = ask()
    except Exception as error:
        raise AssertionError(f"{what} must answer and never raise; it raised {error!r}") from error
    require(answer is expected, f"{what} must be {expected}; it is {answer!r}")


@contextlib.contextmanager
def no_error(expected: ErrorTypes, what: str) -> Iterator[None]:
    """Require that the body does not raise; *expected* are the errors that it may name its failures with."""
    try:
        yield
    except expected as error:
        raise AssertionError(f"{what} failed where it should work: {error!r}") from error
    except AssertionError:
        raise
    except Exception as error:
        raise AssertionError(
            f"{what} failed where it should work, and with {error!r}, which is no {expected[0].__name__}"
        ) from error


def must_raise(expected: ErrorTypes, what: str, call: Callable[[], object]) -> None:
    """Require that *call* raises one of *expected*, with a message."""
    try:
        result = call()
    except expected as error:
        require(bool(str(error)), f"{what} raised {type(error).__name__} without a word; say what to do next")
    except Exception as error:
        raise AssertionError(f"{what} must raise {expected[0].__name__}; it raised {error!r}") from error
    else:
        raise AssertionError(f"{what} must raise {expected[0].__name__}; it returned {result!r}")


def require(condition: bool, message: str) -> None:
    """Raise an AssertionError with *message* unless *condition* holds."""
    if not condition:
        raise AssertionError(message)
