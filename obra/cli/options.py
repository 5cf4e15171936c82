"""The options that several verbs share, and what they stand for."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from obra.cli.completions import agent_names, project_ids, setting_words
from obra.cli.output import say

if TYPE_CHECKING:
    from obra.asking import AskPeople
    from obra.config import Config
    from obra.state.state_manager import StateManager

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What was asked for with ``--agent``, ``--config`` and ``-o``; and who looks on, see audience_options."""

    agent: str | None = None
    file: str | None = None
    overrides: tuple[str, ...] = ()
    conversation: bool = False
    """Show all that is said to the agent and by it."""
    ask: bool = False
    """Wait for a person's answer when the agent asks for something."""

    def load(self) -> Config:
        """Return the settings.

        Raises:
            ConfigError: one of them is wrong.
            PluginError: ``real`` or another agent is asked for and cannot be had.
        """
        from obra.config import RUNGS, Config
        from obra.errors import PluginError
        from obra.plugins import AGENTS, find_plugin
        from obra.prerequisites import require_real

        config = Config.load(self.file, overrides=self.overrides, rung=self.agent)
        if self.agent == "real":
            require_real(config)
        elif self.agent and self.agent not in RUNGS:
            try:
                find_plugin(AGENTS, self.agent)
            except PluginError as error:
                raise PluginError(
                    f"--agent {self.agent}: {error} --agent also takes {', '.join(RUNGS)}."
                ) from error
        return config

    @property
    def words(self) -> tuple[str, ...]:
        """The options of a command line that asks for the same agent and settings."""
        words = ["--agent", self.agent] if self.agent else []
        words += ["--config", self.file] if self.file else []
        return (*words, *(word for override in self.overrides for word in ("-o", override)))

    def without_agent(self) -> Chosen:
        """Return the same for a command that runs no agent."""
        return replace(self, agent=None)

    def people(self) -> AskPeople | None:
        """Return who answers the agent: people by way of the database, where that was asked for."""
        if not self.ask:
            return None
        from obra.asking import AskPeople

        return AskPeople()

    def again(self, command: str, *, agent: bool = False) -> str:
        """Return *command* with the same options, for people to type next; secrets are left out."""
        from obra.redaction import without_secrets

        shown = tuple(override for override in self.overrides if without_secrets(override) == override)
        words = replace(self, agent=self.agent if agent else None, overrides=shown).words
        return f"{command} {shlex.join(words)}".rstrip()


def of_session(context: click.Context) -> Chosen:
    """Return what was asked for the whole session at the prompt of the interactive mode; elsewhere nothing."""
    chosen = getattr(context.find_root().obj, "chosen", None)
    return chosen if isinstance(chosen, Chosen) else Chosen()


def settings_options(function: Function) -> Function:
    """Give a command ``--config`` and ``-o``; it is called with ``chosen=``, see :class:`Chosen`."""

    @click.option("--config", "file", type=click.Path(), metavar="FILE", help="YAML file with settings.")
    @click.option(
        "-o",
        "--option",
        "overrides",
        metavar="SECTION.KEY=VALUE",
        multiple=True,
        shell_complete=setting_words,
        help="One setting; wins over the file. May be repeated.",
    )
    @functools.wraps(function)
    def with_settings(*args: Any, file: str | None, overrides: tuple[str, ...], **others: Any) -> Any:
        audience = {name: others.pop(name) for name in ("conversation", "ask") if name in others}
        session = of_session(click.get_current_context())
        chosen = Chosen(
            agent=others.pop("agent") or session.agent if "agent" in others else None,
            file=file or session.file,
            overrides=(*session.overrides, *overrides),
            **audience,
        )
        return function(*args, chosen=chosen, **others)

    return with_settings  # type: ignore[return-value]  # click calls it by keyword


agent_option = click.option(
    "--agent",
    metavar="NAME",
    shell_complete=agent_names,
    help="mock, replay or real, an installed agent, or 'package.module:Class'.",
)


def audience_options(function: Function) -> Function:
    """Give a command that runs an agent ``--conversation`` and ``--ask``; they come with ``chosen=``."""
    show = click.option("--conversation", is_flag=True, help="Show all that is said to the agent and by it.")
    ask = click.option(
        "--ask", is_flag=True, help="Wait for a person when the agent asks: obra breakpoint resolve ID allow."
    )
    return show(ask(function))


def project_option(told: str) -> Callable[[Function], Function]:
    """Give a command ``--project ID``, which comes as ``project_id=``; *told* is its help."""
    return click.option("--project", "project_id", type=int, shell_complete=project_ids, metavar="ID", help=told)


json_option = click.option("--json", "in_json", is_flag=True, help="Print JSON.")


@contextmanager
def stored(config: Config) -> Iterator[StateManager]:
    """Open the database to look things up; where there is none yet, an empty one in memory stands for it.

    Raises:
        StateError: it cannot be opened.
    """
    from obra.prerequisites import database_file
    from obra.state.state_manager import StateManager

    file = database_file(config.settings.database.url)
    if file is not None and not file.exists():
        say(f"(nothing is stored yet: there is no {file}; 'obra project create NAME' makes it)", error=True)
        with StateManager("sqlite://") as empty:
            yield empty
        return
    with writable(config) as state:
        yield state


@contextmanager
def writable(config: Config) -> Iterator[StateManager]:
    """Open the database, and make it when there is none.

    Raises:
        StateError: it cannot be opened.
        ConfigError: the log file cannot be.
    """
    from obra.logbook import configure_logging
    from obra.state.state_manager import StateManager

    configure_logging(config)
    database = config.settings.database
    with StateManager(database.url, echo=database.echo) as state:
        yield state
