"""What the interactive mode completes."""

from __future__ import annotations

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from obra.cli.completing import ClickCompleter
from obra.cli.interactive import Verbs


def completed(typed):
    """Every line that TAB may make of what is typed."""
    found = ClickCompleter(Verbs()).get_completions(Document(typed), CompleteEvent())
    return [typed[: len(typed) + one.start_position] + one.text for one in found]


@pytest.mark.parametrize(
    ("typed", "lines"),
    [
        ("overr", ["override"]),
        ("run --agent=moc", ["run --agent=mock"]),
        ("run --agent=replay:co", ["run --agent=replay:codex"]),
        ("run my", ["run 'my scenario.yaml'"]),
        ('run "my sc', ["run 'my scenario.yaml'"]),
        (r"run my\ sc", ["run 'my scenario.yaml'"]),
        ("run --config=my", ["run '--config=my scenario.yaml'"]),
        ("run --agent mock scenarios/he", ["run --agent mock scenarios/hello.yaml"]),
        ("-o agent.ty", []),
        ("run -o agent.ty", ["run -o agent.type="]),
        ("resu", ["resume"]),
        ("tusk sho", []),
    ],
)
def test_what_is_typed_stays_and_the_rest_is_added(tmp_path, monkeypatch, typed, lines):
    """A value behind an equals sign, a path with a space, an open quote: what TAB leaves can be run."""
    (tmp_path / "my scenario.yaml").touch()
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "hello.yaml").touch()
    monkeypatch.chdir(tmp_path)
    assert completed(typed) == lines
