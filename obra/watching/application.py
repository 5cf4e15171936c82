"""Watch: the application around the screen, fit for the terminal that it is on."""

from __future__ import annotations

from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.worker import WorkerFailed

from obra.watching.dialogs import DIALOGS
from obra.watching.doors import Doors
from obra.watching.lookout import Lookout
from obra.watching.screen import WatchScreen
from obra.watching.terminals import AsciiDriver, wants_no_colour

EVERY = 0.4
"""Seconds between two looks."""


class Watch(App[None]):
    """Runs until the person quits; the runs that are watched know nothing of it."""

    TITLE = "obra watch"
    CSS = DIALOGS
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "quit", "Quit", show=False, priority=True)]

    def __init__(self, lookout: Lookout, doors: Doors, *, only_ascii: bool = False, every: float = EVERY) -> None:
        """Show what *lookout* sees.

        Args:
            lookout: where to look; whoever made it closes it.
            doors: what a person can do from the screen.
            only_ascii: write nothing but ASCII.
            every: seconds between two looks.

        Attributes:
            failure: what broke the screen, ``None`` when the person quit; whoever ran it raises it.
        """
        no_colour = wants_no_colour()
        super().__init__(driver_class=AsciiDriver if only_ascii else None, ansi_color=True if no_colour else None)
        if no_colour:
            self.theme = "ansi-dark"
        self.failure: Exception | None = None
        self.watch_screen = WatchScreen(lookout, doors, every)

    def on_mount(self) -> None:
        """Show the panes."""
        self.push_screen(self.watch_screen)

    def _handle_exception(self, error: Exception) -> None:
        """End, and keep *error* for whoever ran this.

        Textual would print a traceback with the values of all variables, among which may be secrets, and return.
        """
        super()._handle_exception(error)
        self._exit_renderables.clear()
        if self.failure is None:
            self.failure = _cause_of(error)


def _cause_of(error: Exception) -> Exception:
    """Return what a background task of the screen died of, or the error itself."""
    inner = error.error if isinstance(error, WorkerFailed) else error
    return inner if isinstance(inner, Exception) else error
