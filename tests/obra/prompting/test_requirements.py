import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.domain import Task
from obra.prompting.requirements import SPLIT_SCHEMA, is_checkable, split_description, write_split_prompt


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("", ("The title",)),
        ("   \n\n", ("The title",)),
        ("---\n***", ("The title",)),
        ("Make hello.py", ("Make hello.py",)),
        ("Write a.py. Test it.", ("Write a.py.", "Test it.")),
        ("add, subtract; zero is an error; docs.", ("add, subtract", "zero is an error", "docs.")),
        ("Use Python 3.11, e.g. tomllib. Be quick!", ("Use Python 3.11, e.g. tomllib.", "Be quick!")),
        ("- one\n* two\n+ three\n1. four\n2) five\n(3) six", ("one", "two", "three", "four", "five", "six")),
        ("- [ ] open\n- [x] done;", ("open", "done")),
        ("- a first line\n  goes on\n- second", ("a first line goes on", "second")),
        ("- first\nnot its text\n  more", ("first", "not its text more")),
        ("Create a calculator with the following:\n\n1. add\n2. docs", ("add", "docs")),
        ("Write a CLI. It must:\n- read", ("Write a CLI.", "read")),
        ("It ends in a colon:", ("It ends in a colon:",)),
        ("# Heading\nText goes\non here\n\nand there", ("Text goes on here", "and there")),
        ("Before\n```python\nx = 1. Not this.\n~~~\n```\nAfter", ("Before", "After")),
        ("Before\n~~~\nnever closed. Not this.", ("Before",)),
        ("Same thing.\nother\n\nsame  THING.", ("Same thing.", "other")),
        ("- Same thing\n- same  THING", ("Same thing",)),
        ("12345. 678", ("The title",)),
        ("\u4e00\u4e2a\u3002\u4e24\u4e2a\uff01", ("\u4e00\u4e2a\u3002", "\u4e24\u4e2a\uff01")),
        ("a\u200bb\u202e c\x00\r\nd e", ("ab c d e",)),
    ],
)  # fmt: skip
def test_a_description_is_split_by_its_own_words(description, expected):
    """List items and sentences, without headings, code and lines that only introduce; the title as last resort."""
    assert split_description("The title", description) == expected


def test_a_task_without_any_word_still_has_one_requirement():
    """Nothing at all is one sentence too, so that there always is a question."""
    assert split_description("", "") == ("the task is done",)


@given(st.text(max_size=300), st.text(max_size=300))
def test_splitting_takes_any_text(title, description):
    """There is always a requirement, none is empty or stands twice, each is one line, always the same."""
    found = split_description(title, description)
    assert found == split_description(title, description)
    assert found
    assert len({one.casefold() for one in found}) == len(found)
    assert all(one and one == " ".join(one.split()) for one in found)


@given(
    st.lists(st.from_regex(r"[a-z]{3,9}( [a-z]{3,9}){0,4}", fullmatch=True), min_size=1, max_size=30, unique=True)
)
def test_no_item_of_a_list_is_lost(items):
    """Each item of a list is a requirement, whole and in its place."""
    assert split_description("t", "".join(f"- {item}\n" for item in items)) == tuple(items)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["Improve the code", "Make it better"], False),
        (["Make it better"], False),
        (["", ""], False),
        ([], False),
        (["Clean up and refactor everything, please!"], False),
        (["Fix the issues in my project"], False),
        (["Make app.py better"], True),
        (["Improve the code", "greet() returns a greeting"], True),
        (["Make it 3 times faster"], True),
        (["Make it print"], True),
        (["Mach es besser"], True),
        (["Make `it` better"], True),
        (["Rename getUser"], True),
    ],
)
def test_a_task_names_something_to_look_for_or_it_does_not(texts, expected):
    """Only words of praise and complaint are vague; one name, number or other word is something to look for."""
    assert is_checkable(texts) is expected


def test_the_question_to_the_model_holds_task_and_schema():
    """The model sees the words of the task, without invisible ones, and the form that its answer must have."""
    prompt = write_split_prompt(Task(title="Add", description="It adds.\u202e\u200b"))
    assert "Add\n\nIt adds.\n" in prompt
    assert json.dumps(SPLIT_SCHEMA) in prompt
    assert "## Task\n\nAdd\n\nAnswer" in write_split_prompt(Task(title="Add"))
