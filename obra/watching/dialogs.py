"""What lies behind the panes: the diff of an attempt, the answer to a breakpoint, the keys."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import ScrollableContainer, Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from obra.domain import Breakpoint, ControlAct
from obra.errors import StateError
from obra.watching import texts
from obra.watching.doors import Answer, Ask, split_override
from obra.watching.harmless import lines_of, one_line
from obra.watching.view import counted

if TYPE_CHECKING:
    from obra.state.state_manager import StateManager

HELP = """\
obra watch shows a run. Only b, p, s, m and o ask something of it.

  up, down     choose a task; the other panes show it
  d, enter     its diff: [ and ] go from attempt to attempt
  b            answer a breakpoint, as 'obra breakpoint resolve' does
  f            follow: log and database show the chosen task alone
  p            pause behind the step under way, or go on
  s, m, o      stop, say something, decide instead: 'obra task stop, say, override'
  /            show only tasks and lines that hold some words
  l            log file, or the story that the database holds
  tab          next pane; z shows it alone
  esc          all tasks again, going along with what runs
  q, ctrl+c    quit; the run goes on
"""
_QUESTION_LINES = 30
_MEANINGS = {
    ControlAct.STOP: "It is broken off, also in the middle of a turn, and its agent is ended; it can be resumed. "
    "Say why, or nothing:",
    ControlAct.SAY: "These words stand in the agent's next prompt. They do not change what the work is judged by:",
    ControlAct.OVERRIDE: "You decide the attempt under way instead of Obra, and reports will say so. "
    "Write proceed, retry, clarify or escalate, and why:",
}

DIALOGS = """
Dialog { align: center middle; }
.box { border: round $accent; background: $surface; padding: 0 1; }
.bar { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
HelpDialog ScrollableContainer { width: 76; max-width: 100%; height: auto; max-height: 100%; }
HelpDialog Static { width: auto; }
DiffDialog .box { width: 100%; height: 100%; padding: 0; }
DiffDialog ScrollableContainer { height: 1fr; }
DiffDialog #diff { width: auto; }
WordsDialog .box { width: 90%; height: auto; max-height: 100%; }
WordsDialog ScrollableContainer { height: auto; max-height: 12; }
WordsDialog Input { border: none; height: 1; padding: 0; }
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
            f"{counted(len(seen.total_changes), 'file')} since the task began   [ earlier  ] later  esc back"
        )
        self._tell(title, texts.diff(seen.patch) if seen.patch else Text("nothing has changed", "dim"))

    def _tell(self, title: str, text: Text) -> None:
        self.text = text
        self.query_one("#title", Static).update(Text(title, "bold"))
        self.query_one("#diff", Static).update(text)
        self.query_one("#scroll").scroll_home(animate=False)


class WordsDialog(Dialog):
    """A question, a line for words, and what came of them; words that are refused stay."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Back")]
    HINT = ""
    """What stands in the line before anything is typed."""

    def compose(self) -> ComposeResult:
        """The question, the line, and what came of it."""
        with Vertical(classes="box"):
            yield Static(Text(), id="title", classes="bar", markup=False)
            with ScrollableContainer(can_focus=False):
                yield Static(Text(), id="question", markup=False)
            yield Input(id="words", placeholder=self.HINT)
            yield Static(Text(), id="said", markup=False)

    def on_mount(self) -> None:
        """Ask."""
        self.show()
        self.query_one("#words").focus()

    @abstractmethod
    def show(self) -> None:
        """Put the question on the screen, see :meth:`ask`."""

    def ask(self, title: str, question: str) -> None:
        """Show a question below a title."""
        self.query_one("#title", Static).update(Text(title, "bold"))
        self.query_one("#question", Static).update(Text("\n".join(lines_of(question, _QUESTION_LINES))))

    @abstractmethod
    def send(self, words: str) -> str:
        """Do what the words ask for, and return what to tell; runs in a thread of its own.

        Raises:
            StateError: it is refused.
            ValueError: the words are not what is needed.
        """

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        """Send the words."""
        event.stop()
        try:
            told = await asyncio.to_thread(self.send, event.value)
        except (StateError, ValueError) as error:
            self.query_one("#said", Static).update(Text(one_line(str(error)), "red"))
            return
        self.app.notify(told, markup=False)
        self.dismiss()


class AnswerDialog(WordsDialog):
    """Where a person must look, and a line to answer in."""

    HINT = "the agent will be shown these words; enter sends, esc leaves"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "step(-1)", "Newer"),
        Binding("down", "step(1)", "Older"),
    ]

    def __init__(self, waiting: Sequence[Breakpoint], answer: Answer) -> None:
        """Offer the breakpoints *waiting*; *answer* stores what is said to one."""
        super().__init__()
        self._waiting = tuple(waiting)
        self._place = 0
        self._answer = answer

    def action_step(self, step: int) -> None:
        """Go to another breakpoint."""
        self._place = (self._place + step) % len(self._waiting)
        self.show()

    def show(self) -> None:
        """Ask about the one at hand."""
        one = self._waiting[self._place]
        place = f" ({self._place + 1} of {len(self._waiting)}; up, down)" if len(self._waiting) > 1 else ""
        self.ask(f"breakpoint {one.id} of task {one.task_id}: {one.trigger}{place}", one.reason)

    def send(self, words: str) -> str:
        """Store the answer."""
        if not words.strip():
            raise ValueError("say something: the agent will be shown these words")
        stored = self._answer(self._waiting[self._place].id, words)
        return f"breakpoint {stored.id} is answered; next: obra run --task {stored.task_id}"


class AskDialog(WordsDialog):
    """What is asked of a running task: to stop, to hear a message, to be decided by a person."""

    HINT = "enter sends, esc leaves"

    def __init__(self, task_id: int, act: ControlAct, ask: Ask) -> None:
        """Ask *act* of a task through *ask*."""
        super().__init__()
        self._task_id, self._act, self._ask_for = task_id, act, ask

    def show(self) -> None:
        """Say what it means."""
        self.ask(f"{self._act} task {self._task_id}", _MEANINGS[self._act])

    def send(self, words: str) -> str:
        """Store what is asked."""
        action, text = split_override(words) if self._act is ControlAct.OVERRIDE else (None, words.strip())
        self._ask_for(self._task_id, self._act, text, action)
        return f"task {self._task_id} is asked to {self._act}"
