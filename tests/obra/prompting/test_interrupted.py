"""What an agent is told whose turn was broken off from outside."""

from __future__ import annotations

from obra.prompting.interrupted import after_interruption, with_messages


def test_the_note_stands_behind_the_whole_prompt():
    """Nothing of the prompt is lost, and the note says that the files were put back."""
    told = after_interruption("Write a.txt")
    assert told.startswith("Write a.txt\n\n")
    assert "was undone; the files are again as they were" in told


def test_messages_stand_behind_a_prompt_that_was_written_before():
    """Each of them whole, in their order; without any the prompt says what it said."""
    told = with_messages("Write a.txt\n", ["in lower case", "and soon"])
    assert told.startswith("Write a.txt\n\n")
    assert told.index("in lower case") < told.index("and soon")
    assert told.endswith("\n")
    assert with_messages("Write a.txt", []) == "Write a.txt\n"
