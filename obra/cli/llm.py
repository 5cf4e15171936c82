"""``obra llm``: the models that review, and the server that has them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import click

from obra.cli.commands import Group
from obra.cli.options import Chosen, json_option, settings_options
from obra.cli.output import as_json, say, styled, table

if TYPE_CHECKING:
    from obra.llm.local_llm_interface import LocalLLMInterface
    from obra.llm.ollama_models import PullProgress

_UNITS = ("B", "kB", "MB", "GB")
_STEP = 1000


@click.group(cls=Group, examples=["obra llm check", "obra llm pull qwen2.5-coder:32b"])
def llm() -> None:
    """Fetch, list and check the models that review.

    While llm.type is 'scripted' the Ollama at llm.api_url is meant.
    """


@llm.command(examples=["obra llm pull", "obra llm pull llama3.2 -o llm.api_url=http://box:11434"])
@click.argument("model", required=False)
@settings_options
def pull(model: str | None, chosen: Chosen) -> None:
    """Have an Ollama server fetch MODEL; without one, that of llm.model."""
    with _ollama(chosen) as (reviewer, wanted):
        name = model or wanted
        with _Bars() as bars:
            reviewer.models.pull(name, bars.show)
    say(f"{name} is there")
    if name != wanted:
        following = chosen.again("obra llm check")
        say(f"  next: {following} -o llm.model={name}")


@llm.command(name="list", waits="asking", examples=["obra llm list --json"])
@json_option
@settings_options
def list_(in_json: bool, chosen: Chosen) -> None:
    """List the models on the server, with size and digest."""
    with _reviewer(chosen) as reviewer:
        found = _offered(reviewer)
    if in_json:
        as_json(found)
        return
    rows = [(one.name, _size(one.size), one.digest[:12] or "-", one.context_tokens or "-") for one in found]
    table(("NAME", "SIZE", "DIGEST", "WINDOW"), rows)


@llm.command(waits="asking", examples=["obra llm check", "obra llm check --load --json"])
@click.option("--load", is_flag=True, help="Also load the model, with the window that is asked for.")
@json_option
@settings_options
def check(load: bool, in_json: bool, chosen: Chosen) -> int:
    """See whether the reviewer can be asked: server, model, window, and what is in memory.

    Exits with 1 when it cannot.
    """
    settings = chosen.load().settings.llm
    with _reviewer(chosen) as reviewer:
        lacking = reviewer.missing()
        if load and not lacking and hasattr(reviewer, "preload"):
            reviewer.preload()
        seen = {"identity": reviewer.identity, "window_asked": settings.context_tokens}
        seen |= {"window_own": None, "loaded": []}
        if not lacking and hasattr(reviewer, "models") and not callable(reviewer.models):
            seen["window_own"] = reviewer.models.own_window(settings.model)
            seen["loaded"] = reviewer.models.loaded()
    own = seen["window_own"]
    if own is not None and own < settings.context_tokens:
        wanted = settings.context_tokens
        too_small = f"the model's own window is {own} tokens, and llm.context_tokens asks for {wanted}"
        lacking = (*lacking, f"{too_small}: set it to {own} at most")
    if in_json:
        as_json({**seen, "missing": lacking})
    else:
        _show(seen, lacking)
    return 1 if lacking else 0


def _show(seen: dict[str, Any], lacking: tuple[str, ...]) -> None:
    say(f"reviewer  {seen['identity']}")
    own = f", the model's own is {seen['window_own']}" if seen["window_own"] else ""
    say(f"window    {seen['window_asked']} tokens are asked for{own}")
    loaded = [f"{one.name} (window {one.context_tokens or 'unknown'})" for one in seen["loaded"]]
    say(f"in memory {', '.join(loaded) or 'nothing, as far as can be seen'}")
    for sentence in lacking:
        say(styled("MISSING   ", "red"), sentence)
    if not lacking:
        say(styled("ok        ", "green"), "it can be asked")


@contextmanager
def _reviewer(chosen: Chosen) -> Iterator[Any]:
    """Open the configured reviewer; for a scripted one, the Ollama that the other settings mean."""
    from obra.bootstrap import make_llm
    from obra.errors import ConfigError
    from obra.plugins import close_llm

    config = chosen.load()
    if config.settings.llm.type == "scripted":
        config.set("llm.type", "ollama")
    made: Any = make_llm(config)
    try:
        if not hasattr(made, "missing"):
            raise ConfigError(
                f"the LLM {config.settings.llm.type!r} cannot tell what it lacks; set llm.type to another"
            )
        yield made
    finally:
        close_llm(made)


@contextmanager
def _ollama(chosen: Chosen) -> Iterator[tuple[LocalLLMInterface, str]]:
    from obra.errors import ConfigError
    from obra.llm.local_llm_interface import LocalLLMInterface

    settings = chosen.load().settings.llm
    if settings.type not in ("scripted", "ollama"):
        raise ConfigError(
            f"llm.type is {settings.type!r}, and only Ollama fetches models when it is told to; give that server "
            f"its model by its own means"
        )
    made = LocalLLMInterface(settings.model_dump())
    try:
        yield made, settings.model
    finally:
        made.close()


def _offered(reviewer: Any) -> Any:
    from obra.errors import ConfigError

    models = getattr(reviewer, "models", None)
    if models is None:
        raise ConfigError("this kind of LLM has no list of models; see: obra llm check")
    return models() if callable(models) else models.installed()


class _Bars:
    """A bar for each layer of a download, and a line for each thing that is done besides."""

    def __init__(self) -> None:
        self._digest = ""
        self._said = ""
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def show(self, progress: PullProgress) -> None:
        if progress.total:
            if progress.digest != self._digest:
                self._end()
                label = f"{progress.digest.removeprefix('sha256:')[:12]} {_size(progress.total):>8}"
                self._bar = click.progressbar(length=progress.total, label=label).__enter__()
                self._digest = progress.digest
            self._bar.update(progress.completed - self._bar.pos)
            return
        self._end()
        if progress.status != self._said:
            say(progress.status)
            self._said = progress.status

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
        self._bar, self._digest = None, ""


def _size(count: int | None) -> str:
    if count is None:
        return "-"
    size = float(count)
    for unit in _UNITS[:-1]:
        if size < _STEP:
            return f"{size:.0f} {unit}"
        size /= _STEP
    return f"{size:.1f} {_UNITS[-1]}"
