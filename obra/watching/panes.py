"""The four panes: execution, log, database, workspace."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from obra.watching import texts
from obra.watching.scene import Detail, TaskLine

PANES = ("execution", "log", "database", "workspace")


class TextPane(VerticalScroll):
    """A text that scrolls; one that grows at its end keeps its end in sight, unless somebody scrolled up."""

    def __init__(self, name: str, *, keeps_end: bool = False) -> None:
        super().__init__(id=name, classes="pane")
        self.border_title = name
        self._keeps_end = keeps_end
        self._shown = Text()
        self._body = Static(Text(), markup=False)

    def compose(self) -> ComposeResult:
        """Hold one text."""
        yield self._body

    def show(self, text: Text) -> None:
        """Show *text*; the same text again costs nothing."""
        if text == self._shown and text.spans == self._shown.spans:
            return
        at_end = self.scroll_offset.y >= self.max_scroll_y - 1
        self._shown = text
        self._body.update(text)
        if self._keeps_end and at_end:
            self.scroll_end(animate=False)

    @property
    def text(self) -> str:
        """What is shown, as plain text."""
        return self._shown.plain


class TaskList(OptionList):
    """The tasks, one a line; the highlighted one is the chosen one."""

    def __init__(self) -> None:
        super().__init__(id="tasks", markup=False)
        self._tasks: tuple[TaskLine, ...] = ()

    def show(self, lines: Sequence[TaskLine], chosen: int | None) -> None:
        """Show *lines*, with *chosen* highlighted; what stayed the same is not painted anew."""
        width, now = self.size.width - 2, datetime.now(UTC)
        prompts = [texts.task_line(line, now, width) for line in lines]
        with self.prevent(OptionList.OptionHighlighted):  # that is for what a person chooses
            self._put(lines, prompts, chosen)

    def _put(self, lines: Sequence[TaskLine], prompts: Sequence[Text], chosen: int | None) -> None:
        if [line.task.id for line in lines] != [line.task.id for line in self._tasks]:
            self.clear_options()
            self.add_options(
                Option(prompt, id=str(line.task.id)) for line, prompt in zip(lines, prompts, strict=True)
            )
        else:
            for index, prompt in enumerate(prompts):
                if self.get_option_at_index(index).prompt != prompt:
                    self.replace_option_prompt_at_index(index, prompt)
        self._tasks = tuple(lines)
        place = next((index for index, line in enumerate(lines) if line.task.id == chosen), None)
        if place != self.highlighted:
            self.highlighted = place


class Execution(Vertical):
    """The tasks, and below them where the chosen one stands."""

    def __init__(self) -> None:
        super().__init__(id="execution", classes="pane")
        self.border_title = "execution"
        self.tasks = TaskList()
        self._detail = Static(Text(), id="detail", markup=False)
        self._shown = ""

    def compose(self) -> ComposeResult:
        """Hold both."""
        yield self.tasks
        yield self._detail

    def show(self, lines: Sequence[TaskLine], chosen: int | None, detail: Detail | None) -> None:
        """Show the tasks with *chosen* highlighted, and *detail* below them."""
        self.tasks.show(lines, chosen)
        text = texts.execution(detail, datetime.now(UTC), self.size.width)
        if text.plain != self._shown:
            self._shown = text.plain
            self._detail.update(text)

    @property
    def text(self) -> str:
        """What is shown, as plain text."""
        options = [str(self.tasks.get_option_at_index(one).prompt) for one in range(self.tasks.option_count)]
        return "\n".join([*options, self._shown])
