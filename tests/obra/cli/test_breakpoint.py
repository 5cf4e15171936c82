"""obra breakpoint."""

from __future__ import annotations


def test_a_breakpoint_is_listed_answered_and_gone_from_the_list(obra, vague):
    """The answer is stored with it; a second answer is refused; --all still shows it."""
    assert obra("run", vague).code == 0
    listed = obra("breakpoint", "list")
    assert listed.out.splitlines()[1].split()[:4] == ["1", "1", "1", "open"]
    assert obra("breakpoint", "resolve", "1", "  ").code == 2
    answered = obra("breakpoint", "resolve", "1", "Make it faster")
    assert answered.code == 0
    assert answered.out == "breakpoint 1 resolved: Make it faster\n  next: obra run --task 1\n"
    assert obra("breakpoint", "list", "--json").data == []
    every = obra("breakpoint", "list", "--all", "--json").data
    assert [(one["id"], one["status"], one["answer"]) for one in every] == [(1, "resolved", "Make it faster")]
    twice = obra("breakpoint", "resolve", "1", "Or not")
    assert twice.code == 1
    assert "breakpoint 1 is resolved already, with the answer 'Make it faster'" in twice.err
    again = obra("run", "--task", "1")
    prompt = obra("task", "show", "1", "--json").data["attempts"][1]["prompt"]
    assert again.code == 1
    assert "Make it faster" in prompt


def test_a_breakpoint_that_is_not_there(obra):
    """Exit 1 and how to find those there are."""
    ended = obra("breakpoint", "resolve", "5", "yes")
    assert ended.code == 1
    assert "no breakpoint has the id 5; 'obra breakpoint list' shows those there are" in ended.err
