"""The screen, with keys pressed on it by Textual's own pilot."""

from __future__ import annotations

import asyncio
import re
import shutil
from functools import partial
from pathlib import Path

import pytest
from textual.widgets import Input

from obra.domain import BreakpointStatus, ScriptStep, Step, TaskStatus
from obra.errors import IllegalStatus
from obra.state.state_manager import StateManager
from obra.watching.dialogs import AnswerDialog, AskDialog, DiffDialog, HelpDialog


def screen_text(app) -> str:
    """All that stands on the screen, as a terminal shows it."""
    return "\n".join("".join(segment.text for segment in line) for line in app.screen._compositor.render_strips())


def words(app) -> str:
    """The same as one line, without frames."""
    return re.sub(r"[│╭╮╰╯─▌▐▎▏▕▁▔█\s]+", " ", screen_text(app))


def pane(app, name) -> str:
    """What one pane shows."""
    return app.watch_screen.query_one(f"#{name}").text


async def until(condition, seconds=90):
    """Wait for something that is about to happen."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # what is waited for is painted, and tells nobody
            await asyncio.sleep(0.02)


async def looked(app, times=2):
    """Wait until the screen has looked again, so that it shows what was there before."""
    wanted = app.watch_screen.looks + times
    await until(lambda: app.watch_screen.looks >= wanted)


def test_four_panes_show_a_finished_run(run, escalated, watched):
    """Each task with its status, and of the newest its story, attempts, breakpoint and files."""
    run()

    async def steps(app, pilot):
        assert "3 tasks" not in screen_text(app)
        lines = pane(app, "execution").splitlines()
        assert ("completed" in lines[0], "Say hello" in lines[0]) == (True, True)
        assert ("escalated" in lines[1], "Make it better" in lines[1]) == (True, True)
        assert "task 2 attempt 1: retry" in pane(app, "log")
        assert "task 2 attempt 2: proceed, completed" in pane(app, "log")
        stored = pane(app, "database")
        assert stored.index("  2 proceed") < stored.index("  1 retry")
        assert "  1 open     task 1 no_evidence" in stored
        assert "created   hello.py (+1 -0)" in pane(app, "workspace")
        assert "+print('hello')" in pane(app, "workspace")

    watched(steps)


def test_a_running_task_is_followed_as_it_goes(begin, state, places, tmp_path, watched):
    """Its stage, its agent's acts and its files appear while it runs; its end too."""
    task_id = begin()

    async def steps(app, pilot):
        task = state.get_task(task_id)
        assert "preparing" in pane(app, "execution")
        state.record_step(task, Step(number=1, position=1, name="Gathered", data={"run": {"seconds": 0.1}}))
        (tmp_path / "under-way/new.py").write_text("x = 1\n")
        places.live.mkdir()
        name = f"{task.owner.replace(':', '-')}-{task.id}-{task.fence}.jsonl"
        (places.live / name).write_text(
            '{"at": "2026-11-22T14:15:00+00:00", "attempt": 1, "kind": "tool_call", "text": "Write new.py"}\nhalf'
        )
        await until(lambda: "agent" in pane(app, "execution") and "Write new.py" in pane(app, "execution"))
        await until(lambda: "created   new.py (+1 -0)" in pane(app, "workspace"))
        assert pane(app, "workspace").startswith("now  ")
        state.finish_task(task_id, TaskStatus.FAILED, "the agent left")
        await until(lambda: "failed" in pane(app, "execution"))
        assert "the agent left" in pane(app, "execution")

    watched(steps)


def test_a_task_that_begins_is_shown_at_once_unless_another_was_chosen(run, begin, watched):
    """The screen goes along; whoever chose a task keeps it, until escape."""
    run()

    async def steps(app, pilot):
        running = begin()
        await until(lambda: f"task {running} preparing" in pane(app, "execution"))
        await pilot.press("down")
        await until(lambda: "task 1 completed" in pane(app, "execution"))
        begin(folder="another")
        await until(lambda: "task 3" in pane(app, "log"))
        await looked(app)
        assert "task 1 completed" in pane(app, "execution")
        await pilot.press("escape")
        await until(lambda: "task 3 preparing" in pane(app, "execution"))

    watched(steps)


def test_following_shows_one_task_everywhere(run, escalated, watched):
    """Log and breakpoints of others are left out, and come back."""
    run()

    async def steps(app, pilot):
        assert "task 1 attempt 1" in pane(app, "log")
        await pilot.press("f")
        assert "task 1" not in pane(app, "log")
        assert "no_evidence" not in pane(app, "database")
        await until(lambda: "following task 2" in screen_text(app))
        await pilot.press("f")
        assert "task 1 attempt 1" in pane(app, "log")

    watched(steps)


def test_the_diff_of_each_attempt_scrolls_in_colours(run, watched):
    """Enter and d open it, brackets go from attempt to attempt, escape leaves."""
    many = "".join(f"# line {number}\n" for number in range(100))
    run(ScriptStep(say="A.", write={"other.py": "x = 1\n"}), ScriptStep(say="B.", write={"hello.py": many}))

    async def steps(app, pilot):
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, DiffDialog) and "# line 99" in app.screen.text.plain)
        shown = app.screen.text
        added = shown.plain.index("+# line 7")
        assert "green" in {str(span.style) for span in shown.spans if span.start <= added < span.end}
        await until(lambda: "attempt 2 of 2: proceed, 2 files" in screen_text(app))
        assert "+# line 99" not in screen_text(app)
        await pilot.press("end")
        await until(lambda: "+x = 1" in screen_text(app))
        await pilot.press("left_square_bracket")
        await until(lambda: "attempt 1 of 2: retry, 1 file" in screen_text(app))
        assert "# line 99" not in app.screen.text.plain
        await pilot.press("left_square_bracket", "escape", "d")
        await until(lambda: isinstance(app.screen, DiffDialog))

    watched(steps)


def test_a_breakpoint_is_answered(escalated, state, watched):
    """No empty answer is taken; a real one is stored and shown."""

    async def steps(app, pilot):
        await until(lambda: "1 to answer" in screen_text(app))
        await pilot.press("b", "enter")
        assert isinstance(app.screen, AnswerDialog)
        await until(lambda: "say something" in screen_text(app))
        await pilot.press(*"faster", "enter")
        await until(lambda: not isinstance(app.screen, AnswerDialog))
        await until(lambda: "answer: faster" in pane(app, "database"))
        await until(lambda: "to answer" not in app.watch_screen.view.head().plain)
        await pilot.press("b")
        assert not isinstance(app.screen, AnswerDialog)

    watched(steps)
    (stored,) = state.breakpoints()
    assert (stored.status, stored.answer) == (BreakpointStatus.RESOLVED, "faster")


def test_an_answer_that_comes_too_late_is_told(escalated, state, watched):
    """Somebody else was faster: the words stay, with the reason."""

    async def steps(app, pilot):
        await pilot.press("b")
        state.resolve_breakpoint(1, "slower")
        await pilot.press(*"faster", "enter")
        await until(lambda: "is resolved already, with the answer 'slower'" in words(app))
        assert app.screen.query_one(Input).value == "faster"

    watched(steps)
    with pytest.raises(IllegalStatus):
        state.resolve_breakpoint(1, "again")


def test_a_filter_leaves_out_what_does_not_hold_the_words(run, escalated, watched):
    """While it is typed, and until escape."""
    run()

    async def steps(app, pilot):
        await pilot.press("slash", *"better", "enter")
        await looked(app)
        assert "Say hello" not in pane(app, "execution")
        assert "Make it better" in pane(app, "execution")
        await pilot.press("escape")
        await until(lambda: "Say hello" in pane(app, "execution"))

    watched(steps)


def test_small_terminals_show_one_pane_at_a_time(run, watched):
    """80x24 has room for four; below that, tab goes round, and nothing breaks down to a few cells."""
    run()

    async def steps(app, pilot):
        assert all(f" {name}" in screen_text(app) for name in ("execution", "log", "database", "workspace"))
        await pilot.resize_terminal(40, 10)
        await until(lambda: "database" not in screen_text(app))
        for name in ("log", "database", "workspace", "execution"):
            await pilot.press("tab")
            await until(lambda name=name: f" {name}" in screen_text(app))
        for size in ((3, 2), (1, 1), (20, 4), (80, 24)):
            await pilot.resize_terminal(*size)
            await looked(app, 1)
        assert "hello.py" in pane(app, "workspace")
        await pilot.press("tab", "z")
        await until(lambda: " database" not in screen_text(app))

    watched(steps, size=(80, 24))


def test_before_the_first_run_it_waits(places, run, watched, state, tmp_path):
    """A database that is not there yet, one without tasks, and then the first run."""
    state.close()
    (tmp_path / ".obra").rename(tmp_path / "away")

    async def steps(app, pilot):
        assert "nothing is stored yet" in screen_text(app)
        await pilot.press("d", "b", "f", "z", "l", "slash", "escape")
        (tmp_path / "away").rename(tmp_path / ".obra")
        with StateManager(places.database) as opened:
            await until(lambda: "0 running | 0 tasks" in screen_text(app))
            project = opened.create_project("p")
            opened.create_task(project.id, {"title": "Begin"})
        await until(lambda: "pending" in pane(app, "execution"))

    watched(steps)


def test_a_database_that_goes_away_comes_back(run, places, watched, state):
    """What was seen stays, with the reason above; another file in its place is read anew."""
    run()
    state.close()  # so that all of it stands in the one file
    file = Path(places.file)
    move = shutil.move
    damage = partial(file.write_bytes, b"this is no database, and long enough to be looked at " * 40)

    async def steps(app, pilot):
        kept = file.with_name("kept.db")
        move(file, kept)
        await until(lambda: "nothing is stored yet" in screen_text(app))
        damage()
        await until(lambda: "not a database" in words(app))
        assert "Say hello" in pane(app, "execution")
        move(kept, file)
        await until(lambda: "1 task" in screen_text(app))

    watched(steps)


HOSTILE = (
    "[red]no markup[/red] [@click=app.quit]x[/]",
    "\x1b[2J\x1b]0;owned\x07\x9b31m",
    "a\u202eb\u2066c\u200fd",
    "\ud800\x00\u2028end",
    "x" * 100_000,
    "שלום עולם",
)


def test_hostile_words_stay_words(run, watched, state, begin):
    """Markup, escape sequences, turned text, half letters and endless lines are shown, and nothing obeys them."""
    patch = "".join(f"{text}\n" for text in HOSTILE).replace("\ud800\x00", "?")
    run(
        ScriptStep(say="\n".join(HOSTILE), write={"hello.py": patch}),
        title=" ".join(HOSTILE)[:3000],
        reviewer=(YES_TO_ALL,),
    )
    state.record_event(1, HOSTILE[0], {HOSTILE[1]: list(HOSTILE)})

    async def steps(app, pilot):
        text = screen_text(app) + "".join(
            pane(app, name) for name in ("execution", "log", "database", "workspace")
        )
        assert "[red]no markup[/red]" in text
        assert "\\x1b[2J" in text
        assert "\\u202e" in text
        assert not set(text) & {"\x1b", "\x07", "\x9b", "\u202e", "\u2066", "\u2028", "\x00"}
        assert max(map(len, pane(app, "workspace").splitlines())) <= 1100
        await pilot.press("d")
        await until(lambda: isinstance(app.screen, DiffDialog) and "no markup" in app.screen.text.plain)
        assert not set(screen_text(app)) & {"\x1b", "\x07", "\x9b", "\u202e"}

    watched(steps)


YES_TO_ALL = {"score": 90, "issues": list(HOSTILE[:3])}


def test_a_running_task_is_steered(begin, state, watched):
    """Paused, resumed, told something, decided by a person, stopped: each is stored as the verbs store it."""
    task_id = begin()

    def asked():
        return [(one.act.value, one.text, one.action) for one in state.controls(task_id)]

    async def steps(app, pilot):
        await pilot.press("p")
        await until(lambda: "anna@build7 asks to pause : not seen yet" in words(app))
        state.obey(state.controls(task_id)[0], "waits in attempt 1")
        await until(lambda: "asks to pause : waits in attempt 1" in words(app))
        await pilot.press("p")
        await until(lambda: len(asked()) == 2)
        await pilot.press("m", *"be", "space", *"brief", "enter")
        await until(lambda: len(asked()) == 3)
        await pilot.press("o", *"skip", "enter")
        await until(lambda: "begin with one of proceed, retry, clarify, escalate" in words(app))
        await pilot.press("ctrl+u", *"retry", "space", *"no", "space", *"tests", "enter")
        await until(lambda: len(asked()) == 4)
        await pilot.press("s", "escape", "s", "enter")
        await until(lambda: len(asked()) == 5)
        await until(lambda: "anna@build7 asks to stop" in pane(app, "log"))

    watched(steps)
    assert asked() == [
        ("pause", "", None), ("resume", "", None), ("say", "be brief", None), ("override", "no tests", "retry"),
        ("stop", "", None),
    ]  # fmt: skip


def test_who_does_not_run_cannot_be_steered(run, watched):
    """The reason is told, and nothing is stored."""
    run()

    async def steps(app, pilot):
        await pilot.press("p")
        await until(lambda: "nothing to pause" in words(app))
        await pilot.press("s", "enter")
        await until(lambda: "nothing to stop" in words(app))
        assert isinstance(app.screen, AskDialog)

    watched(steps)


def test_help_tells_every_key(watched, state):
    """Each key that is bound stands in the help."""

    async def steps(app, pilot):
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpDialog)
        text = screen_text(app)
        for key in ("up, down", "d, enter", "b ", "p ", "s, m, o", "f ", "/ ", "l ", "tab", "esc", "q, ctrl+c"):
            assert f"  {key}" in text
        await pilot.press("escape", "q")
        await until(lambda: not app.is_running)

    watched(steps)
