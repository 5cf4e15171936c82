"""obra checklist."""

from __future__ import annotations

import os
import sys

import pexpect
import pytest

TESTED = """\
name: tested
task: {title: Add numbers}
checks: [{pytest: test_add.py}]
script:
  - say: First the tests.
    write: {test_add.py: "from add import add\\n\\n\\ndef test_add():\\n    assert add(1, 2) == 3\\n"}
  - {say: Done., write: {add.py: "def add(a, b):\\n    return a + b\\n"}}
reviewer: [{score: 30, issues: [no add.py]}, {score: 95}]
"""
BY_PEOPLE = {"the work is what was asked for", "the verdict was right"}


def open_points(data) -> set[str]:
    """Names of the points that nothing proves."""
    return {one["name"] for one in data if not one["seen"]}


def test_an_empty_database_proves_nothing(obra):
    """Every point is open, says what to do, and the command exits with 1."""
    ended = obra("checklist", "--json")
    assert ended.code == 1
    assert len(open_points(ended.data)) == len(ended.data) == 15
    assert all(one["todo"] for one in ended.data)


def test_each_run_ticks_what_it_shows(obra, write, vague, tmp_path):
    """A good run of two attempts, a vague task and a failed one prove all but what only a person can."""
    write("tested.obra.yaml", TESTED)
    assert obra("run", "tested.obra.yaml").code == 0
    assert open_points(obra("checklist", "--json").data) == {
        "breakpoints work", "error handling works", *BY_PEOPLE,
    }  # fmt: skip
    obra("run", vague)
    obra("project", "create", "p", "--dir", "p")
    obra("task", "create", "1", "fails")
    write("broken.obra.yaml", "task: {title: x}\nscript: [{edit: {a: {find: b, replace: c}}, write: {a: x}}]\n")
    obra("run", "broken.obra.yaml", "-o", "agent.max_retries=0")
    ended = obra("checklist", "--out", "list.md")
    assert ended.code == 1
    assert ended.out.endswith("13 of 15 points are shown\n")
    assert "- [x] tests run: task 1, attempt 2: " in (tmp_path / "list.md").read_text()
    assert open_points(obra("checklist", "--json").data) == BY_PEOPLE
    assert "breakpoints work" in open_points(obra("checklist", "--task", "1", "--json").data)


@pytest.fixture
def terminal(obra, hello, tmp_path):
    """Begin the list at a terminal, with one run stored."""
    obra("run", hello)
    variables = {name: text for name, text in os.environ.items() if not name.startswith("OBRA")}
    with pexpect.spawn(
        sys.executable, ["-m", "obra", "checklist", "--out", "list.md", "--no-color"],
        cwd=str(tmp_path), env={**variables, "HOME": str(tmp_path)}, encoding="utf-8", timeout=200,
    ) as child:  # fmt: skip
        yield child


def answered(child, notes):
    """Give the notes for the points that they name, and nothing for the others; stop behind the last one."""
    while child.expect(["seen\\?[^\r\n]*: ", pexpect.EOF]) == 0:
        name = next((name for name in notes if name in child.before), "")
        child.sendline(notes.pop(name, ""))
        if not notes:
            return


def test_a_person_on_a_terminal_is_asked_for_the_rest(terminal, tmp_path):
    """A note is the proof, an empty line leaves the point open."""
    answered(terminal, {"the verdict was right": "compared by hand"})
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 1
    page = (tmp_path / "list.md").read_text()
    assert "- [x] the verdict was right: seen by a person: compared by hand" in page
    assert "- [ ] the work is what was asked for: open; " in page


def test_notes_are_kept_when_a_person_breaks_off(terminal, tmp_path):
    """Ctrl-C at a question writes the page with what was noted until then."""
    answered(terminal, {"breakpoints work": "saw one"})
    terminal.expect("seen\\?[^\r\n]*: ")
    terminal.sendintr()
    terminal.expect_exact("Interrupted: what was noted stands in list.md")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 130
    assert "- [x] breakpoints work: seen by a person: saw one" in (tmp_path / "list.md").read_text()


def test_a_page_that_cannot_be_written_is_told(obra, tmp_path):
    """A typed error with the file's name."""
    ended = obra("checklist", "--out", "no/list.md")
    assert (ended.code, "no/list.md cannot be written" in ended.err) == (1, True)
