"""obra task."""

from __future__ import annotations

import pytest


@pytest.fixture
def shop(obra):
    """A project with the id 1."""
    assert obra("project", "create", "shop", "--dir", "shop").code == 0


@pytest.mark.usefixtures("shop")
def test_a_task_is_created_with_all_that_it_is_judged_by(obra):
    """Every option arrives; the description may come from standard input."""
    assert obra("task", "create", "1", "First").out.startswith("task 1 created: First\n  next: obra run --task 1")
    made = obra(
        *("task", "create", "1", "Add a search page", "--description", "-", "--priority", "9", "--after", "1"),
        *("--accept", "it is fast", "--accept", "it is plain"),
        *("--check", "file: [search.py, a.py]", "--check", "{command: python search.py, timeout: 5}"),
        stdin="As long\nas you like: ü\n",
    )
    assert made.code == 0, made.err
    task = obra("task", "show", "2", "--json").data["task"]
    assert task["description"] == "As long\nas you like: ü"
    assert task["acceptance"] == ["it is fast", "it is plain"]
    assert task["checks"] == [{"file": ["search.py", "a.py"]}, {"command": "python search.py", "timeout": 5}]
    assert (task["priority"], task["after"], task["status"]) == (9, [1], "pending")
    shown = obra("task", "show", "2", "--diff")
    for line in (
        "accept     it is fast",
        'file: ["search.py", "a.py"]',
        "nothing has changed since the task began",
    ):
        assert line in shown.out


@pytest.mark.usefixtures("shop")
def test_a_wrong_task_is_refused_and_not_stored(obra):
    """What is wrong is said, with the nearest right word, and there is no task afterwards."""
    for arguments, code, message in (
        (("1", " "), 2, "say in one line what is to be done"),
        (("1", "x", "--check", "fil: a.py"), 2, "did you mean 'file'?"),
        (("1", "x", "--check", "just words"), 2, "a check is a mapping"),
        (("1", "x", "--check", "{file: a"), 2, "--check"),
        (("9", "x"), 1, "no project has the id 9"),
        (("1", "x", "--after", "9"), 1, "9"),
        (("1", "x", "--description", "-"), 2, "standard input is not UTF-8 text (byte 0)"),
    ):
        ended = obra("task", "create", *arguments, stdin=b"\xff")
        assert ended.code == code, arguments
        assert message in ended.err
        assert "Traceback" not in ended.err
    assert obra("task", "list", "--json").data == []


def test_tasks_are_listed_by_project_status_and_limit(obra, hello, vague):
    """Each filter holds, the last changed stands first, and an unknown project is an error."""
    assert obra("run", hello, vague).code == 0
    everything = obra("task", "list").out.splitlines()
    assert everything[0].split() == [
        "ID", "PROJECT", "STATUS", "PRIORITY", "ATTEMPTS", "QUALITY", "CONFIDENCE", "DEADLINE", "FAILED", "NEXT",
        "TITLE",
    ]  # fmt: skip
    assert [line.split()[0] for line in everything[1:]] == ["2", "1"]
    assert [one["title"] for one in obra("task", "list", "--project", "1", "--json").data] == ["Say hello"]
    assert [one["id"] for one in obra("task", "list", "--status", "escalated", "--json").data] == [2]
    assert len(obra("task", "list", "--limit", "1", "--json").data) == 1
    wrong = obra("task", "list", "--status", "broken")
    assert wrong.code == 2
    assert "'pending', 'running', 'completed', 'escalated', 'failed', 'interrupted'" in wrong.err
    assert obra("task", "list", "--project", "7").code == 1


def test_a_task_is_shown_with_attempts_scores_decisions_and_diff(obra, vague, hello):
    """Everything that a person asks after a run stands on one page; JSON has it whole."""
    assert obra("run", hello, vague).code == 0
    shown = obra("task", "show", "1", "--diff").out
    for text in (
        "task 1 completed  Say hello",
        "attempt 1  ",
        "says       Done.",
        "check      ok    the file hello.txt exists",
        "review     yes, 95 (scripted)",
        "checks: 1 of 1 required checks passed",
        "proceed    ",
        "+++ b/hello.txt\n@@ -0,0 +1 @@\n+hello\n",
    ):
        assert text in shown
    attempt = obra("task", "show", "1", "--json").data["attempts"][0]
    assert attempt["decision"]["action"] == "proceed"
    assert attempt["prompt"]
    assert attempt["quality"]["factors"]
    assert "breakpoint 1 open (" in obra("task", "show", "2").out
    for page in (shown, obra("review", "1").out):
        assert "  measured: verdicts of this kind with " in page
        assert " of 0 " not in page
        assert "not measured" not in page


def test_a_task_that_is_not_there(obra):
    """Exit 1 and a sentence."""
    ended = obra("task", "show", "3")
    assert ended.code == 1
    assert "Error: no task has the id 3" in ended.err


def test_a_project_is_named_or_given_by_its_id(obra, tmp_path):
    """A guide cannot know ids; a name that several have, and one that nobody has, are refused."""
    for name in ("shop", "twice", "twice"):
        assert obra("project", "create", name, "--dir", str(tmp_path / name)).code == 0
    assert obra("task", "create", "shop", "Add a search page").out.startswith("task 1 created")
    assert obra("task", "list", "--json").data[0]["project_id"] == 1
    twice = obra("task", "create", "twice", "x")
    assert (twice.code, "the projects [2, 3] are called 'twice'; give one's id" in twice.err) == (2, True)
    nobody = obra("task", "create", "shpo", "x")
    assert nobody.code == 1
    assert nobody.err.startswith("Error: no project is called 'shpo'; 'obra project list' shows")
