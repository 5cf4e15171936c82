"""Watch: the four terminals of the plan on one screen, and the keys that open what is behind them."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import Footer, Input, OptionList, Static

from obra.domain import Breakpoint, BreakpointStatus
from obra.errors import StateError
from obra.watching import texts
from obra.watching.dialogs import DIALOGS, AnswerDialog, DiffDialog, HelpDialog
from obra.watching.harmless import one_line
from obra.watching.lookout import Lookout
from obra.watching.panes import PANES, Execution, TextPane
from obra.watching.scene import Scene
from obra.watching.terminals import AsciiDriver, wants_no_colour

EVERY = 0.4
"""Seconds between two looks."""
_WHEN_AWAY = 4
"""How much longer the pause is while the database cannot be read."""
_MOST_LINES = 500
"""Lines of the log, and of the tasks' story, that are kept."""
_SMALLEST = (60, 18)
"""Columns and lines below which one pane at a time is shown."""

PARENT = "OBRA_WATCH_SERVER"
"""Variable with the process that shows the screen in a browser: the screen goes when that process has gone."""

Answer = Callable[[int, str], Breakpoint]
"""Stores a person's answer to a breakpoint."""


class WatchScreen(Screen[None], inherit_bindings=False):
    """The four panes."""

    CSS = """
    #head { height: auto; max-height: 4; background: $panel; }
    #panes { layout: grid; grid-size: 2 2; height: 1fr; }
    #panes.single { layout: vertical; }
    #panes.single .pane { display: none; }
    #panes.single .pane.current { display: block; height: 1fr; }
    .pane { border: round $primary; }
    .pane.current { border: round $accent; }
    .pane:focus, .pane:focus-within { border: round $accent; }
    TextPane { scrollbar-size: 1 1; }
    #tasks { height: 1fr; border: none; padding: 0; scrollbar-size: 1 1; }
    #tasks:focus { border: none; }
    #detail { height: auto; max-height: 50%; border-top: solid $primary; }
    #filter { display: none; height: 1; border: none; padding: 0; }
    #filter.open { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "app.quit", "Quit"),
        Binding("question_mark,f1", "help", "Help", key_display="?"),
        Binding("d", "diff", "Diff"),
        Binding("b", "answer", "Answer"),
        Binding("f", "follow", "Follow"),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("l", "log", "Log"),
        Binding("z", "zoom", "Zoom"),
        Binding("tab", "pane(1)", "Next", show=False),
        Binding("shift+tab", "pane(-1)", "Back", show=False),
        Binding("escape", "leave", "Leave", show=False),
    ]

    def __init__(self, lookout: Lookout, answer: Answer, every: float) -> None:
        super().__init__()
        self._every = every
        self._served_by = os.environ.get(PARENT, "")
        self.lookout = lookout
        self.looks = 0
        """How often has been looked, well or badly."""
        self.scene = Scene()
        self._answer = answer
        self._chosen: int | None = None
        self._goes_along = True
        self._follows = False
        self._pane = 0
        self._is_zoomed = False
        self._filter = ""
        self._shows_story = lookout.places.log is None
        self._story: deque[tuple[int, str]] = deque(maxlen=_MOST_LINES)
        self._log: deque[str] = deque(maxlen=_MOST_LINES)
        self._problem = ""
        self._top = Static(Text(), id="head", markup=False)
        self._execution = Execution()
        self._log_pane = TextPane("log", keeps_end=True)
        self._database = TextPane("database")
        self._workspace = TextPane("workspace")

    def compose(self) -> ComposeResult:
        """A line at the top, the panes, and the keys."""
        yield self._top
        with Container(id="panes"):
            yield self._execution
            yield self._log_pane
            yield self._database
            yield self._workspace
        yield Input(id="filter", placeholder="show only what holds these words")
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Begin to look."""
        self._show_pane()
        self.run_worker(self._look_on(), name="looking")

    def on_resize(self, _: Resize) -> None:
        """Fit the panes to the terminal."""
        self._show_pane()
        self._paint()

    # --- looking

    async def _look_on(self) -> None:
        is_second = False
        while True:
            try:
                found = await asyncio.to_thread(self._look)
            except StateError as error:
                self._problem = str(error)
            else:
                self._take(found)
            self.looks += 1
            self._paint()
            if self._chosen != (self.scene.detail.line.task.id if self.scene.detail else None) and not is_second:
                is_second = True
                continue
            is_second = False
            if self._served_by not in ("", str(os.getppid())):
                self.app.exit()
            await asyncio.sleep(self._every * (_WHEN_AWAY if self._problem else 1))

    def _look(self) -> Scene:
        if self.lookout.is_empty:
            self.lookout.close()
            return Scene(problem=f"nothing is stored yet in {self.lookout.places.file}; waiting for the first run")
        return self.lookout.look(self._chosen)

    def _take(self, scene: Scene) -> None:
        self._problem = scene.problem
        if scene.problem:
            return
        self.scene = scene
        ids = [line.task.id for line in scene.tasks]
        if ids and (self._chosen not in ids or (self._goes_along and not self._follows)):
            self._chosen = ids[0]
        self._story.extend((event["task_id"], texts.event_line(event)) for event in scene.events)
        self._log.extend(scene.log)

    # --- painting

    def _paint(self) -> None:
        scene = self.scene
        self._top.update(self._head())
        fitting = [line for line in scene.tasks if self._fits(line.task.title)]
        self._execution.show(fitting, self._chosen, scene.detail)
        self._log_pane.border_title = "log: the tasks' story" if self._shows_story else "log"
        self._log_pane.show(texts.log_text(self._log_lines()))
        mine = [one for one in scene.breakpoints if not self._follows or one.task_id == self._chosen]
        self._database.show(texts.database(scene.detail, mine))
        self._workspace.show(texts.work(scene.detail.work if scene.detail else None))

    def _head(self) -> Text:
        if self._problem:
            return Text(one_line(self._problem, 500), "bold red")
        running = sum(line.is_running for line in self.scene.tasks)
        waiting = sum(texts.is_open(one) for one in self.scene.breakpoints)
        parts = [
            "obra watch",
            self.lookout.scope.title,
            f"{running} running",
            _counted(len(self.scene.tasks), "task"),
        ]
        parts.append(f"{waiting} to answer" if waiting else "")
        parts.append(f"following task {self._chosen}" if self._follows else "")
        parts.append(f"filter: {self._filter}" if self._filter else "")
        return Text(one_line(" | ".join(filter(None, parts))), "bold yellow" if waiting else "bold")

    def _log_lines(self) -> list[str]:
        if self._shows_story:
            return [
                line
                for task, line in self._story
                if self._fits(line) and (not self._follows or task == self._chosen)
            ]
        wanted = f"task {self._chosen}" if self._follows else ""
        return [line for line in self._log if self._fits(line) and wanted in line]

    def _fits(self, text: str) -> bool:
        return self._filter.lower() in text.lower()

    def _show_pane(self) -> None:
        is_single = self._is_zoomed or self.size.width < _SMALLEST[0] or self.size.height < _SMALLEST[1]
        self.query_one("#panes").set_class(is_single, "single")
        for number, name in enumerate(PANES):
            self.query_one(f"#{name}").set_class(number == self._pane, "current")

    # --- what keys do

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Show the task that was chosen; from then on no other is chosen by itself."""
        chosen = int(event.option_id or 0)
        if chosen != self._chosen:
            self._chosen, self._goes_along = chosen, False

    def on_option_list_option_selected(self, _: OptionList.OptionSelected) -> None:
        """Open the diff of the task that was chosen."""
        self.action_diff()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while the words are typed."""
        self._filter = event.value
        self._paint()

    def on_input_submitted(self, _: Input.Submitted) -> None:
        """Keep the filter, and go back to the panes."""
        self.query_one("#filter").remove_class("open")
        self._focus_pane()

    def action_filter(self) -> None:
        """Ask for words to filter by."""
        field = self.query_one("#filter", Input)
        field.add_class("open")
        field.focus()

    def action_leave(self) -> None:
        """Leave the filter and what was zoomed, and go along with what runs."""
        self.query_one("#filter", Input).value = ""
        self.query_one("#filter").remove_class("open")
        self._is_zoomed, self._follows, self._goes_along = False, False, True
        self._focus_pane()
        self._paint()

    def action_follow(self) -> None:
        """Show only the chosen task everywhere, or all again."""
        self._follows = not self._follows and self._chosen is not None
        self._paint()

    def action_log(self) -> None:
        """Show the log file, or the story that the database holds."""
        if self.lookout.places.log is None:
            self.notify("no log file is set (logging.file); this is the story of the tasks", markup=False)
        else:
            self._shows_story = not self._shows_story
        self._paint()

    def action_zoom(self) -> None:
        """Show the pane at hand alone, or all four again."""
        self._is_zoomed = not self._is_zoomed
        self._focus_pane()

    def action_pane(self, step: int) -> None:
        """Go to the next pane, or to the one before."""
        self._pane = (self._pane + step) % len(PANES)
        self._focus_pane()

    def _focus_pane(self) -> None:
        self._show_pane()
        self.query_one("#tasks" if self._pane == 0 else f"#{PANES[self._pane]}").focus()

    def action_help(self) -> None:
        """Tell what each key does."""
        self.app.push_screen(HelpDialog())

    def action_diff(self) -> None:
        """Open what an attempt changed."""
        detail = self.scene.detail
        if detail is None or not detail.attempts:
            self.notify("there is no attempt yet; the workspace pane shows what changes now", markup=False)
            return
        self.app.push_screen(DiffDialog(self.lookout.open(), detail.line.task.id, len(detail.attempts)))

    def action_answer(self) -> None:
        """Answer a breakpoint: one of the chosen task if it has any, else the newest of all."""
        waiting = [one for one in self.scene.breakpoints if one.status is BreakpointStatus.OPEN]
        mine = [one for one in waiting if one.task_id == self._chosen]
        if not waiting:
            self.notify("no breakpoint is open", markup=False)
            return
        self.app.push_screen(AnswerDialog(mine or waiting, self._answer))


class Watch(App[None]):
    """The application; returns when the person quits."""

    TITLE = "obra watch"
    CSS = DIALOGS
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "quit", "Quit", show=False, priority=True)]

    def __init__(
        self, lookout: Lookout, answer: Answer, *, only_ascii: bool = False, every: float = EVERY
    ) -> None:
        """Show what *lookout* sees.

        Args:
            lookout: where to look; whoever made it closes it.
            answer: stores a person's answer to a breakpoint and returns it as stored.
            only_ascii: write nothing but ASCII.
            every: seconds between two looks.
        """
        no_colour = wants_no_colour()
        super().__init__(driver_class=AsciiDriver if only_ascii else None, ansi_color=True if no_colour else None)
        if no_colour:
            self.theme = "ansi-dark"
        self.watch_screen = WatchScreen(lookout, answer, every)

    def on_mount(self) -> None:
        """Show the panes."""
        self.push_screen(self.watch_screen)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
