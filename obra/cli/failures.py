"""Every way a command can end badly, and its exit code; nothing else in this room decides one.

2 means that what was asked for is wrong or cannot be had here; 1 an error that says what to do; 130 that a person
stopped it; 3 that something happened which nobody foresaw, and a log file tells all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

from obra.cli.output import say, styled, use_any_text
from obra.errors import ConfigError, ObraError, PluginError, PrerequisiteError, ScenarioError, TaskStopped

FAILED = 1
WRONG = 2
UNEXPECTED = 3
INTERRUPTED = 130
"""128 and the number of SIGINT, as shells count."""

_WRONG = (ConfigError, ScenarioError, PluginError, PrerequisiteError)


def exit_code_of(command: Callable[[], object], arguments: Sequence[str]) -> int:
    """Run *command*, explain on standard error how it ended if it ended badly, and return the exit code.

    A command returns its own exit code, or ``None`` for 0.
    """
    use_any_text()
    try:
        code = command()
    except click.ClickException as error:
        return _misused(error)
    except (click.Abort, KeyboardInterrupt) as error:
        return _interrupted(error)
    except TaskStopped as error:
        return _interrupted(error, str(error))
    except ObraError as error:
        return explained(error)
    except Exception as error:  # noqa: BLE001  # the last line of defence; the log holds all of it
        return _unexpected(error, arguments)
    return code if isinstance(code, int) else 0


def explained(error: ObraError) -> int:
    """Tell an error of ours and its notes on standard error, and return the exit code that it stands for."""
    say(styled("Error: ", "red"), str(error), error=True)
    for note in getattr(error, "__notes__", ()):
        say(note, error=True)
    ours = next(kind for kind in type(error).__mro__ if kind.__module__.partition(".")[0] == "obra")
    say(f"more: obra explain {ours.__name__}", error=True)  # a stranger's own kind has no heading
    return exit_code_for(error)


def _misused(error: click.ClickException) -> int:
    """Show the usage and what is wrong with it; the help that a bare ``obra task`` prints needs no explanation."""
    error.show()
    if type(error).__name__ != "NoArgsIsHelpError":  # by name, since click 8.1 does not have it
        say("more: obra explain UsageError", error=True)
    return WRONG


def exit_code_for(error: ObraError) -> int:
    """Return what an error stands for: wrong usage, a stop, or a failure."""
    if isinstance(error, TaskStopped):
        return INTERRUPTED
    return WRONG if isinstance(error, _WRONG) else FAILED


def _interrupted(error: BaseException, *told: str) -> int:
    stopped = error.__cause__ or error  # click turns Ctrl-C into its own Abort
    notes = (*told, *getattr(stopped, "__notes__", ()))
    say("Interrupted: ", "; ".join(notes) or "nothing was under way", error=True)
    return INTERRUPTED


def _unexpected(error: Exception, arguments: Sequence[str]) -> int:
    from obra.cli.crash_log import write_log  # needed when all else has failed, and not before
    from obra.redaction import hider, secrets_in

    hide = hider(secrets_in(arguments))
    try:
        where = f"all of it stands in {write_log(error, arguments)}; please report it with that file"
    except OSError as problem:
        where = f"and no log could be written: {problem}"
    said = hide(str(error).partition("\n")[0])
    say(styled("Unexpected: ", "red"), f"{type(error).__name__}: {said}; {where}", error=True)
    return UNEXPECTED
