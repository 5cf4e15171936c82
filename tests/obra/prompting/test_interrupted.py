"""What an agent is told whose turn was broken off from outside."""

from __future__ import annotations

from obra.prompting.interrupted import after_interruption


def test_the_note_stands_behind_the_whole_prompt():
    """Nothing of the prompt is lost, and the note says that the files were put back."""
    told = after_interruption("Write a.txt")
    assert told.startswith("Write a.txt\n\n")
    assert "was undone; the files are again as they were" in told
