"""WatchScreen: the four terminals of the plan on one screen, and the keys that open what is behind them."""

from __future__ import annotations

import asyncio
import os
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import Footer, Input, OptionList, Static

from obra.domain import ControlAct
from obra.errors import StateError
from obra.watching import texts
from obra.watching.dialogs import AnswerDialog, AskDialog, DiffDialog, HelpDialog
from obra.watching.doors import Doors, is_paused
from obra.watching.lookout import Lookout
from obra.watching.panes import PANES, Execution, TextPane
from obra.watching.scene import Scene
from obra.watching.view import View

_WHEN_AWAY = 4
"""How much longer the pause between two looks is while the database cannot be read."""
_SMALLEST = (60, 18)
"""Columns and lines below which one pane at a time is shown."""

PARENT = "OBRA_WATCH_SERVER"
"""Variable with the process that shows the screen in a browser: the screen goes when that process has gone."""


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
        Binding("p", "pause", "Pause"),
        Binding("s", "ask('stop')", "Stop"),
        Binding("m", "ask('say')", "Say"),
        Binding("o", "ask('override')", "Override"),
        Binding("f", "follow", "Follow"),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("l", "log", "Log", show=False),
        Binding("z", "zoom", "Zoom", show=False),
        Binding("tab", "pane(1)", "Next", show=False),
        Binding("shift+tab", "pane(-1)", "Back", show=False),
        Binding("escape", "leave", "Leave", show=False),
    ]

    def __init__(self, lookout: Lookout, doors: Doors, every: float) -> None:
        super().__init__()
        self.lookout = lookout
        self.view = View(lookout.scope.title, shows_story=lookout.places.log is None)
        self.looks = 0
        """How often has been looked, well or badly."""
        self._doors = doors
        self._every = every
        self._served_by = os.environ.get(PARENT, "")
        self._pane = 0
        self._is_zoomed = False
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

    # --- looking and painting

    async def _look_on(self) -> None:
        while self._served_by in ("", str(os.getppid())):
            await self._look_once()
            if self.view.is_behind:  # what was just chosen is shown at once
                await self._look_once()
            self.looks += 1
            await asyncio.sleep(self._every * (_WHEN_AWAY if self.view.problem else 1))
        self.app.exit()

    async def _look_once(self) -> None:
        try:
            found = await asyncio.to_thread(self._look)
        except StateError as error:
            found = Scene(problem=str(error))
        self.view.take(found)
        self._paint()

    def _look(self) -> Scene:
        if self.lookout.is_empty:
            self.lookout.close()
            return Scene(problem=f"nothing is stored yet in {self.lookout.places.file}; waiting for the first run")
        return self.lookout.look(self.view.chosen)

    def _paint(self) -> None:
        view, detail = self.view, self.view.scene.detail
        self._top.update(view.head())
        self._execution.show(view.tasks(), view.chosen, detail)
        self._log_pane.border_title = "log: the tasks' story" if view.shows_story else "log"
        self._log_pane.show(texts.log_text(view.log()))
        self._database.show(texts.database(detail, view.breakpoints()))
        self._workspace.show(texts.work(detail.work if detail else None))

    def _show_pane(self) -> None:
        is_single = self._is_zoomed or self.size.width < _SMALLEST[0] or self.size.height < _SMALLEST[1]
        self.query_one("#panes").set_class(is_single, "single")
        for number, name in enumerate(PANES):
            self.query_one(f"#{name}").set_class(number == self._pane, "current")

    def _focus_pane(self) -> None:
        self._show_pane()
        self.query_one("#tasks" if self._pane == 0 else f"#{PANES[self._pane]}").focus()

    def _tell(self, text: str) -> None:
        self.notify(text, markup=False)

    # --- what keys do

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Show the task that was chosen."""
        self.view.choose(int(event.option_id or 0))

    def on_option_list_option_selected(self, _: OptionList.OptionSelected) -> None:
        """Open the diff of the task that was chosen."""
        self.action_diff()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while the words are typed."""
        self.view.words = event.value
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
        self._is_zoomed = False
        self.view.reset()
        self._focus_pane()
        self._paint()

    def action_follow(self) -> None:
        """Show only the chosen task everywhere, or all again."""
        self.view.follows = not self.view.follows and self.view.chosen is not None
        self._paint()

    def action_log(self) -> None:
        """Show the log file, or the story that the database holds."""
        if self.lookout.places.log is None:
            self._tell("no log file is set (logging.file); this is the story of the tasks")
        else:
            self.view.shows_story = not self.view.shows_story
        self._paint()

    def action_zoom(self) -> None:
        """Show the pane at hand alone, or all four again."""
        self._is_zoomed = not self._is_zoomed
        self._focus_pane()

    def action_pane(self, step: int) -> None:
        """Go to the next pane, or to the one before."""
        self._pane = (self._pane + step) % len(PANES)
        self._focus_pane()

    def action_help(self) -> None:
        """Tell what each key does."""
        self.app.push_screen(HelpDialog())

    def action_diff(self) -> None:
        """Open what an attempt changed."""
        detail = self.view.scene.detail
        if detail is None or not detail.attempts or self.view.problem:
            self._tell("there is no attempt to be read yet; the workspace pane shows what changes now")
            return
        self.app.push_screen(DiffDialog(self.lookout.open(), detail.line.task.id, len(detail.attempts)))

    def action_answer(self) -> None:
        """Answer a breakpoint: one of the chosen task if it has any, else the newest of all."""
        if waiting := self.view.to_answer():
            self.app.push_screen(AnswerDialog(waiting, self._doors.answer))
        else:
            self._tell("no breakpoint is open")

    def action_ask(self, act: str) -> None:
        """Ask something of the chosen task that needs words."""
        if self.view.chosen is None:
            self._tell("there is no task")
        else:
            self.app.push_screen(AskDialog(self.view.chosen, ControlAct(act), self._doors.ask))

    async def action_pause(self) -> None:
        """Let the chosen task wait behind the step under way, or let it go on."""
        detail = self.view.scene.detail
        if detail is None:
            self._tell("there is no task")
            return
        act, task_id = ControlAct.RESUME if is_paused(detail.controls) else ControlAct.PAUSE, detail.line.task.id
        try:
            await asyncio.to_thread(self._doors.ask, task_id, act, "", None)
        except StateError as error:
            self._tell(str(error))
        else:
            paused = act is ControlAct.PAUSE
            self._tell(f"task {task_id} {'pauses behind the step under way' if paused else 'goes on'}")
