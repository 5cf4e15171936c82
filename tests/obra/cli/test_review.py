"""obra review."""

from __future__ import annotations

TWO = """\
name: two
task: {title: Say hello}
checks: [{file: hello.txt}, {command: {run: cat hello.txt, output: hello}, required: false}]
script:
  - {say: Not yet., write: {other.txt: x}}
  - {say: Done., write: {hello.txt: "hello"}}
reviewer: [{score: 30, issues: [no hello.txt]}, {score: 95}]
"""


def test_the_last_attempt_or_any_other_is_shown(obra, write):
    """Evidence, review, scores and decision of the one that was asked for; what checks printed on request."""
    write("two.obra.yaml", TWO)
    assert obra("run", "two.obra.yaml").code == 0
    last = obra("review", "1", "--output").out
    assert last.startswith("task 1, attempt 2\n")
    assert "review yes, 95" in last
    assert "decision proceed" in last
    assert "output of " in last
    first = obra("review", "1", "--attempt", "1").out
    assert "review no, 30: no hello.txt" in first
    assert "FAIL  the file hello.txt exists" in first
    assert "output of " not in first
    data = obra("review", "1", "--attempt", "1", "--json").data
    assert (data["number"], data["review"]["issues"]) == (1, ["no hello.txt"])


def test_what_is_not_there_is_told(obra, write):
    """No task, no attempt yet, no such attempt: exit 1 and what there is."""
    assert "no task has the id 7" in obra("review", "7").err
    obra("project", "create", "p")
    obra("task", "create", "1", "t")
    assert "task 1 has no attempt yet; run it with: obra run --task 1" in obra("review", "1").err
    write("two.obra.yaml", TWO)
    obra("run", "two.obra.yaml")
    ended = obra("review", "2", "--attempt", "9")
    assert (ended.code, "task 2 has no attempt 9; it has 1 to 2" in ended.err) == (1, True)
