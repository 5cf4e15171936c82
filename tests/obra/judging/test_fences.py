import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.judging.fences import read_markdown

OPEN = [
    "```",
    "```python\nx = 1",
    "~~~\n```\n",
    "````\n```\n",
    "```\ncode\n``` not an end",
    "   ```\ncode",
    "- item\n  ```sh\n  ls",
    "- ```sh\n  ls",
    "1. step\n   ~~~\n   x\n  ``",
    "> ```\n> quoted",
]
CLOSED = [
    "",
    "plain `code` text",
    "```\nx\n```",
    "```py\nx\n````   ",
    "~~~ any ``` info\nx\n~~~",
    "    ```\n    indented code, no fence",
    "``` a ` in the info makes no fence",
    "``\nx",
    "- item\n  ```sh\n  ls\n  ```",
    "- item\n\n  - deeper\n\n    ```sh\n    ls\n    ```",
    "> ```\n> quoted\n> ```",
    "10) step\n    ```\n    x\n    ```\nafter",
    "```\r\nx\r\n```\r\n",
    "1234567890. ```\n",
    "-```",
]


@pytest.mark.parametrize("text", OPEN)
def test_open_fences(text):
    """A fence without its end is found, in list items and quotes too."""
    assert [fence.closed for fence in read_markdown(text).fences][-1:] == [False]


@pytest.mark.parametrize("text", CLOSED)
def test_closed_or_no_fences(text):
    """What CommonMark closes, or takes for no fence, is not reported as open."""
    assert all(fence.closed for fence in read_markdown(text).fences)


def test_taken_apart():
    """Language, body and prose are told apart, and whether a block stands last."""
    found = read_markdown("before\n```Python title\nx = 1\n```\nafter\n~~~\ny\n~~~\n\n")
    assert [(fence.language, fence.body) for fence in found.fences] == [("python", "x = 1"), ("", "y")]
    assert found.prose.split() == ["before", "after"]
    assert found.ends_in_fence
    assert not read_markdown("```\n```\nafter").ends_in_fence


def test_a_list_ends_where_the_indentation_does():
    """After a list, four spaces are indented code again."""
    found = read_markdown("- item\n\nparagraph\n\n    ```\n    no fence")
    assert not found.fences


def test_an_indented_line_inside_does_not_end_the_block():
    """A line of backticks that is indented by four is content."""
    assert not read_markdown("```\n    ```\n").fences[0].closed


@given(st.text(st.sampled_from("`~ \n->1.x\t"), max_size=80))
def test_total(text):
    """Any text can be taken apart, and nothing but the last fence is open."""
    fences = read_markdown(text).fences
    assert all(fence.closed for fence in fences[:-1])


@pytest.mark.parametrize(
    "text", ["`" * 1_000_000, "> " * 500_000, "- " * 500_000, "```\n" * 250_000, "1. " * 300_000]
)
def test_hostile_size(text):
    """A megabyte built to be slow is read at once."""
    started = time.process_time()
    read_markdown(text)
    assert time.process_time() - started < 5
