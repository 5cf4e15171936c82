"""How our commands are made: each with examples in its help, and imported only when it is asked for."""

from __future__ import annotations

import difflib
import importlib
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_UNKNOWN = "obra.unknown_verb"
"""In the meta data of a context whose line is being typed: the verb in it that there is not."""


def _no_color() -> click.Option:
    """Return the option that every command has; it also holds for the programs that the command starts."""

    def forget_colours(_: click.Context, __: click.Parameter, value: bool) -> None:
        if value:
            os.environ["NO_COLOR"] = "1"

    return click.Option(
        ["--no-color"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=forget_colours,
        help="No colours; the variable NO_COLOR says the same.",
    )


class _WithExamples:
    """A command whose help ends with lines to type."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.examples = tuple(examples)
        self.params: list[click.Parameter] = [*self.params, _no_color()]

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's
        """Write the examples as they stand; a command must not be wrapped."""
        with formatter.section("Example" if len(self.examples) == 1 else "Examples"):
            formatter.write("".join(f"  {line}\n" for line in self.examples))


class Command(_WithExamples, click.Command):
    """One verb; one that may take over a second says in *waits* what a person is shown meanwhile."""

    def __init__(self, *args: Any, waits: str = "", **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.waits = waits

    def invoke(self, ctx: click.Context) -> Any:
        """Do it, with a sign of life."""
        from obra.cli.patience import patient

        is_alone = ctx.find_root().obj is None  # at the prompt of the interactive mode there is another's line
        with patient(self.waits if is_alone else ""):
            return super().invoke(ctx)


class Group(_WithExamples, click.Group):
    """A noun with its verbs."""

    command_class = Command


class Verb(NamedTuple):
    """Where a command lives, as ``module:attribute``, and one line for the list of commands."""

    home: str
    summary: str


class LazyGroup(Group):
    """Knows its verbs by name and summary; a verb's module is imported when it is used."""

    def __init__(self, *args: Any, verbs: Mapping[str, Verb] | None = None, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.verbs = dict(verbs or {})

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # part of click's contract
        """Return the verbs in the order that they were given."""
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # the same
        """Import a verb."""
        verb = self.verbs.get(cmd_name)
        if verb is None:
            return None
        module, _, attribute = verb.home.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the verbs without importing any, and the options; nothing behind a verb that there is not."""
        from click.shell_completion import CompletionItem

        if _UNKNOWN in ctx.meta:
            return []
        names = (name for name in self.list_commands(ctx) if name.startswith(incomplete))
        verbs = (CompletionItem(name, help=self.summary_of(name)) for name in names)
        return [*verbs, *click.Command.shell_complete(self, ctx, incomplete)]

    def summary_of(self, name: str) -> str:
        """Return one line about a verb."""
        return self.verbs[name].summary

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Refuse an unknown verb with the nearest known one; but not while a line is being typed."""
        name, known = args[0], self.list_commands(ctx)
        if name not in known and ctx.resilient_parsing:
            ctx.meta[_UNKNOWN] = name
        elif name not in known and not name.startswith("-"):
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known)}."
            usage = ctx if ctx.command_path else None  # at a prompt there is no command in front of the verb
            raise click.UsageError(f"No such command {name!r}; {hint}", usage)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # the same
        """Write the list of verbs without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.summary) for name, verb in self.verbs.items()])
