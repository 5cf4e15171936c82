"""``obra interactive``, or ``obra`` alone on a terminal: a prompt with the command's own verbs."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING

import click

from obra.cli.commands import Command, LazyGroup
from obra.cli.failures import exit_code_of
from obra.cli.options import Chosen, agent_option, settings_options
from obra.cli.output import say

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

    from obra.cli.live_runs import LiveRuns
    from obra.cli.live_verbs import Session

IN_BACKGROUND = frozenset({"run", "resume"})
_LEFT_OUT = frozenset({"interactive", "completion"})
_TWICE_SECONDS = 2.0
_WELCOME = "Type a verb; TAB completes, 'help' lists them, Ctrl-D leaves. Runs go on in the background."

HELP = """Work at a prompt, with runs in the background.

The verbs are those of the command, with the same words and options.

\b
For the run under way there are besides:
  pause, resume, stop, say TEXT, override ACTION REASON, answer WORDS,
  use ID, runs

The options hold for every line of the session; what a line says itself wins.

Leaving (Ctrl-D), or closing the terminal, stops the runs in order; each can be resumed.
"""
EXAMPLES = ("obra interactive", "obra interactive --config config/real.yaml", "obra interactive --agent replay")


@click.command(cls=Command, help=HELP, examples=EXAMPLES)
@agent_option
@settings_options
def interactive(chosen: Chosen) -> int:
    """Read lines and do what they say until the person leaves."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("the interactive mode needs a terminal; 'obra --help' lists what scripts can use")
    chosen.load()  # what is wrong with it is told once, and not at every line
    from prompt_toolkit.patch_stdout import patch_stdout

    from obra.cli.live_runs import LiveRuns
    from obra.cli.live_verbs import Session

    runs = LiveRuns(say, chosen.words)
    session = Session(runs, chosen)
    verbs = Verbs()
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, _leave_with(runs))
    prompt = _prompt(verbs, session)
    say(_WELCOME)
    with patch_stdout(raw=True):
        try:
            _converse(prompt, verbs, session)
        finally:
            if runs.running():
                say("stopping what runs; 'obra resume' goes on with it")
            runs.end()
    return 0


class Verbs(LazyGroup):
    """The verbs of the command, and those for the run under way."""

    def __init__(self) -> None:
        from obra.cli.live_verbs import LIVE_VERBS
        from obra.cli.program import VERBS

        super().__init__(
            "obra",
            verbs={name: verb for name, verb in VERBS.items() if name not in _LEFT_OUT},
            help=_WELCOME,
            context_settings={"help_option_names": ["-h", "--help"]},
            examples=["run scenarios/hello_world.obra.yaml", "say use the decimal module"],
        )
        self._live = LIVE_VERBS

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all verbs, the live ones first."""
        return list(dict.fromkeys((*self._live, *super().list_commands(ctx))))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a live verb, or import one of the command's."""
        return self._live.get(cmd_name) or super().get_command(ctx, cmd_name)

    def summary_of(self, name: str) -> str:
        """Return one line about a verb; of a live one what its help begins with."""
        live = self._live.get(name)
        return live.get_short_help_str(200) if live else super().summary_of(name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the live verbs, then those of the command."""
        with formatter.section("For the run under way"):
            formatter.write_dl([(name, one.get_short_help_str(200)) for name, one in self._live.items()])
        super().format_commands(ctx, formatter)


def _prompt(verbs: Verbs, session: Session) -> PromptSession[str]:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import History, InMemoryHistory

    from obra.cli.completing import ClickCompleter, PrivateHistory, history_file

    history: History
    try:
        history = PrivateHistory(history_file())
    except OSError as error:
        say(f"lines are not kept for later: {history_file()}: {error.strerror}", error=True)
        history = InMemoryHistory()
    completer = ClickCompleter(verbs, session)
    return PromptSession("obra> ", history=history, completer=completer, complete_while_typing=False)


def _converse(prompt: PromptSession[str], verbs: Verbs, session: Session) -> None:
    """Do line after line; Ctrl-C clears a line, and twice on an empty one it stops what runs."""
    pressed = -_TWICE_SECONDS
    while True:
        try:
            line = prompt.prompt()
        except KeyboardInterrupt:
            is_empty = not prompt.default_buffer.text
            if is_empty and session.runs.running():
                pressed = _interrupted(pressed, session.runs)
            continue
        except EOFError:
            return
        words = _split(line)
        if words in (["quit"], ["exit"]):
            return
        if words:
            exit_code_of(lambda words=words: _do(words, verbs, session), words)  # type: ignore[misc]  # bound here


def _interrupted(pressed: float, runs: LiveRuns) -> float:
    """Stop the runs at the second Ctrl-C in a row; say so at the first. Return when it was pressed."""
    now = time.monotonic()
    if now - pressed < _TWICE_SECONDS:
        say("stopping what runs")
        runs.end()
        return -_TWICE_SECONDS
    say("a task is running: press Ctrl-C again to stop it, so that it can be resumed; Ctrl-D leaves")
    return now


def _split(line: str) -> list[str]:
    """Return the words of a line, as a shell does; but what is said to somebody stands as it was typed."""
    line = line.strip()
    if line == "obra" or line.startswith("obra "):
        line = line[len("obra ") :].strip()
    try:
        words = shlex.split(line)
    except ValueError:  # a message may hold an apostrophe
        words = line.split()
    before = _words_before_text(words[0]) if words else None
    if before is None or len(words) <= before + 1:  # the last word alone may be an option, or a text in quotes
        return words
    return [*words[:before], "--", line.split(None, before)[before]]


def _words_before_text(verb: str) -> int | None:
    """Return how many words stand before the free text that ends the line of a live verb; ``None`` without one."""
    from obra.cli.live_verbs import LIVE_VERBS

    live = LIVE_VERBS.get(verb)
    arguments = [one for one in live.params if isinstance(one, click.Argument)] if live else []
    return len(arguments) if arguments and arguments[-1].nargs < 0 else None


def _do(words: Sequence[str], verbs: Verbs, session: Session) -> object:
    """Do one line; return what the verb returned.

    Raises:
        ClickException: it is wrong.
        ObraError: as the verb says.
    """
    from obra.cli.live_verbs import resume_paused

    if words[0] == "help":
        words = [*words[1:], "--help"]
    wants_help = "--help" in words or "-h" in words
    if list(words) == ["resume"] and resume_paused(session):
        return None
    if words[0] in IN_BACKGROUND and not wants_help:
        session.runs.start(words)
        return None
    no_color = os.environ.get("NO_COLOR")
    try:
        return verbs.main(list(words), prog_name="", standalone_mode=False, obj=session)
    finally:
        if no_color is None:
            os.environ.pop("NO_COLOR", None)  # --no-color was meant for this line


def _leave_with(runs: LiveRuns) -> signal._HANDLER:
    """Return what a closed terminal sets off: the runs are ended in order, and then this process."""

    def leave(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)
        runs.end()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    return leave
