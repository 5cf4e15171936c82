"""View: what is to be shown of the last look, after what a person chose: a task, a filter, a source of log."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from rich.text import Text

from obra.domain import Breakpoint
from obra.watching import texts
from obra.watching.harmless import one_line
from obra.watching.scene import Scene, TaskLine

_MOST_LINES = 500
"""Lines of the log, and of the tasks' story, that are kept."""


class View:
    """Takes scenes and answers what each pane is to show. It knows no screen.

    Attributes:
        scene: the last one that could be seen.
        problem: why there is none now; empty where there is.
        chosen: id of the task that is shown in full.
        follows: whether only that task is shown everywhere.
        goes_along: whether another task is chosen when one begins.
        words: what tasks and lines must hold to be shown.
        shows_story: the tasks' story instead of the log file.
    """

    def __init__(self, title: str, *, shows_story: bool) -> None:
        self.scene = Scene()
        self.problem = ""
        self.chosen: int | None = None
        self.follows = False
        self.goes_along = True
        self.words = ""
        self.shows_story = shows_story
        self._title = title
        self._story: deque[tuple[int, str]] = deque(maxlen=_MOST_LINES)
        self._log: deque[str] = deque(maxlen=_MOST_LINES)

    @property
    def is_behind(self) -> bool:
        """True when another task was chosen than the one that was looked at."""
        detail = self.scene.detail
        return not self.problem and self.chosen != (detail.line.task.id if detail else None)

    def take(self, scene: Scene) -> None:
        """Take what was seen; what cannot be seen leaves what was seen before."""
        self.problem = scene.problem
        if scene.problem:
            return
        self.scene = scene
        ids = [line.task.id for line in scene.tasks]
        if ids and (self.chosen not in ids or (self.goes_along and not self.follows)):
            self.chosen = ids[0]
        self._story.extend((event["task_id"], texts.event_line(event)) for event in scene.events)
        self._log.extend(scene.log)

    def choose(self, task_id: int) -> None:
        """Show that task; from then on no other is chosen by itself."""
        if task_id != self.chosen:
            self.chosen, self.goes_along = task_id, False

    def reset(self) -> None:
        """Show all tasks again, and go along with what begins."""
        self.words, self.follows, self.goes_along = "", False, True

    def head(self) -> Text:
        """Return the line above the panes."""
        if self.problem:
            return Text(one_line(self.problem, 500), "bold red")
        scene = self.scene
        running = sum(line.is_running for line in scene.tasks)
        waiting = sum(texts.is_open(one) for one in scene.breakpoints)
        parts = [
            "obra watch",
            self._title,
            f"{running} running",
            counted(len(scene.tasks), "task"),
            f"{waiting} to answer" if waiting else "",
            f"following task {self.chosen}" if self.follows else "",
            f"filter: {self.words}" if self.words else "",
        ]
        return Text(one_line(" | ".join(filter(None, parts))), "bold yellow" if waiting else "bold")

    def tasks(self) -> list[TaskLine]:
        """Return the tasks that fit the filter."""
        return [line for line in self.scene.tasks if self._fits(line.task.title)]

    def log(self) -> list[str]:
        """Return the lines of the log, or of the story, that fit."""
        if self.shows_story:
            mine = (line for task, line in self._story if not self.follows or task == self.chosen)
            return [line for line in mine if self._fits(line)]
        wanted = f"task {self.chosen}" if self.follows else ""
        return [line for line in self._log if self._fits(line) and wanted in line]

    def breakpoints(self) -> Sequence[Breakpoint]:
        """Return the breakpoints that belong to what is shown."""
        return [one for one in self.scene.breakpoints if not self.follows or one.task_id == self.chosen]

    def to_answer(self) -> Sequence[Breakpoint]:
        """Return the open breakpoints of the chosen task if it has any, else all."""
        waiting = [one for one in self.scene.breakpoints if texts.is_open(one)]
        return [one for one in waiting if one.task_id == self.chosen] or waiting

    def _fits(self, text: str) -> bool:
        return self.words.lower() in text.lower()


def counted(count: int, noun: str) -> str:
    """Return ``1 task`` or ``2 tasks``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
