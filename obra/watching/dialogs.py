"""What lies behind the panes: the diff of an attempt, the answer to a breakpoint, the keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import ScrollableContainer, Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from obra.domain import Breakpoint
from obra.errors import StateError
from obra.watching import texts
from obra.watching.harmless import lines_of, one_line

if TYPE_CHECKING:
    from obra.state.state_manager import StateManager

HELP = """\
obra watch shows a run and changes nothing in it.

  up, down     choose a task; the other panes show it
  d, enter     its diff: [ and ] go from attempt to attempt
  b            answer a breakpoint, as 'obra breakpoint resolve' does
  f            follow: log and database show the chosen task alone
  /            show only tasks and lines that hold some words
  l            log file, or the story that the database holds
  tab          next pane; z shows it alone
  esc          all tasks again, going along with what runs
  q, ctrl+c    quit; the run goes on
"""
_REASON_LINES = 30

DIALOGS = """
Dialog { align: center middle; }
.box { border: round $accent; background: $surface; padding: 0 1; }
.bar { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
HelpDialog ScrollableContainer { width: 76; max-width: 100%; height: auto; max-height: 100%; }
HelpDialog Static { width: auto; }
DiffDialog .box { width: 100%; height: 100%; padding: 0; }
DiffDialog ScrollableContainer { height: 1fr; }
DiffDialog #diff { width: auto; }
AnswerDialog .box { width: 90%; height: auto; max-height: 100%; }
AnswerDialog ScrollableContainer { height: auto; max-height: 12; }
AnswerDialog Input { border: none; height: 1; padding: 0; }
"""
"""How they look, as Textual's style sheet."""


class Dialog(ModalScreen[None]):
    """Covers the panes until it is left."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "leave", "Back")]

    def action_leave(self) -> None:
        """Go back to the panes."""
        self.dismiss()


class HelpDialog(Dialog):
    """The keys."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("question_mark,f1,enter", "leave", "Back")]

    def compose(self) -> ComposeResult:
        """One text."""
        with ScrollableContainer(classes="box"):
            yield Static(Text(HELP.rstrip()), id="help", markup=False)


class DiffDialog(Dialog):
    """What was changed until the end of an attempt, in colours; attempt by attempt."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left_square_bracket,p", "step(-1)", "Earlier"),
        Binding("right_square_bracket,n", "step(1)", "Later"),
        Binding("d", "leave", "Back"),
    ]

    def __init__(self, state: StateManager, task_id: int, number: int) -> None:
        """Show attempt *number*, the last one, of a task that *state* can be asked about."""
        super().__init__()
        self._state = state
        self._task_id = task_id
        self._last = number
        self._number = number
        self.text = Text()

    def compose(self) -> ComposeResult:
        """A line that says what it is, and the diff."""
        with Vertical(classes="box"):
            yield Static(Text(), id="title", classes="bar", markup=False)
            with ScrollableContainer(id="scroll"):
                yield Static(Text(), id="diff", markup=False)

    async def on_mount(self) -> None:
        """Show the last attempt."""
        await self._show()
        self.query_one("#scroll").focus()

    async def action_step(self, step: int) -> None:
        """Go to another attempt."""
        self._number = min(max(1, self._number + step), self._last)
        await self._show()

    async def _show(self) -> None:
        try:
            attempt = await asyncio.to_thread(self._state.attempt, self._task_id, self._number)
        except StateError as error:
            self._tell("", Text(one_line(str(error)), "red"))
            return
        seen = attempt.evidence
        title = (
            f"task {self._task_id}, attempt {self._number} of {self._last}: {attempt.decision.action}, "
            f"{_counted(len(seen.total_changes), 'file')} since the task began   [ earlier  ] later  esc back"
        )
        self._tell(title, texts.diff(seen.patch) if seen.patch else Text("nothing has changed", "dim"))

    def _tell(self, title: str, text: Text) -> None:
        self.text = text
        self.query_one("#title", Static).update(Text(title, "bold"))
        self.query_one("#diff", Static).update(text)
        self.query_one("#scroll").scroll_home(animate=False)


class AnswerDialog(Dialog):
    """Where a person must look, and a line to answer in."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back"),
        Binding("up", "step(-1)", "Newer"),
        Binding("down", "step(1)", "Older"),
    ]

    def __init__(self, waiting: Sequence[Breakpoint], answer: Callable[[int, str], Breakpoint]) -> None:
        """Offer the breakpoints *waiting*; *answer* stores what is said to one."""
        super().__init__()
        self._waiting = tuple(waiting)
        self._place = 0
        self._answer = answer

    def compose(self) -> ComposeResult:
        """The question, the line to answer in, and what came of it."""
        with Vertical(classes="box"):
            yield Static(Text(), id="title", classes="bar", markup=False)
            with ScrollableContainer(can_focus=False):
                yield Static(Text(), id="reason", markup=False)
            yield Input(id="answer", placeholder="the agent will be shown these words; enter sends, esc leaves")
            yield Static(Text(), id="said", markup=False)

    def on_mount(self) -> None:
        """Show the first."""
        self._show()
        self.query_one("#answer").focus()

    def action_step(self, step: int) -> None:
        """Go to another breakpoint."""
        self._place = (self._place + step) % len(self._waiting)
        self._show()

    def _show(self) -> None:
        one = self._waiting[self._place]
        place = f" ({self._place + 1} of {len(self._waiting)}; up, down)" if len(self._waiting) > 1 else ""
        self.query_one("#title", Static).update(
            Text(f"breakpoint {one.id} of task {one.task_id}: {one.trigger}{place}", "bold")
        )
        self.query_one("#reason", Static).update(Text("\n".join(lines_of(one.reason, _REASON_LINES))))

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        """Store the answer; one that is refused is told, and the words stay."""
        event.stop()
        one = self._waiting[self._place]
        if not event.value.strip():
            self._say("say something: the agent will be shown these words")
            return
        try:
            stored = await asyncio.to_thread(self._answer, one.id, event.value)
        except StateError as error:
            self._say(one_line(str(error)))
            return
        self.app.notify(
            f"breakpoint {stored.id} is answered; next: obra run --task {stored.task_id}", markup=False
        )
        self.dismiss()

    def _say(self, text: str) -> None:
        self.query_one("#said", Static).update(Text(text, "red"))


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
