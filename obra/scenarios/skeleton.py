"""A first scenario: a file that runs, passes on the mock rung, and shows where things stand."""

from __future__ import annotations

import os
from pathlib import Path

from obra.errors import ScenarioError
from obra.scenarios.scenario import SUFFIX, Scenario
from obra.scenarios.schema import schema_text

SCHEMA = "schema.json"

_TEXT = '''\
# yaml-language-server: $schema=schema.json
name: {name}
description: Say in a sentence what this scenario is there to show.
task:
  title: Write a greeting
  description: Create greeting.py with a function greet(name) that returns "Hello, NAME!".
limits: {{iterations: 3, seconds: 300}}
checks:                          # what Obra may see and judges by
  - python: {{file: greeting.py, functions: [greet], docstrings: true}}
  - command: {{run: python -c "from greeting import greet; print(greet('Ada'))", output: "Hello, Ada!"}}
script:                          # what the agent does on the rungs mock and replay, one step a turn
  - say: Done.
    write:
      greeting.py: |
        """Greet people."""


        def greet(name: str) -> str:
            """Return a greeting for one person."""
            return f"Hello, {{name}}!"
reviewer:                        # what the scripted LLM answers, one turn each
  - {{score: 95}}
expect:                          # the right ending
  status: completed
  truth:                         # hidden from Obra: does the workspace really do it?
    - command: {{run: python -c "from greeting import greet; print(greet('Grace'))", output: "Hello, Grace!"}}
'''


def skeleton_text(name: str) -> str:
    """Return the text of a first scenario called *name*."""
    return _TEXT.format(name=name)


def write_skeleton(folder: Path, name: str) -> tuple[Path, ...]:
    """Write ``NAME.obra.yaml``, and the schema that its first line names where there is none; return what is new.

    Raises:
        ScenarioError: the name is none, or the file is there already or cannot be written.
    """
    path = folder / f"{name}{SUFFIX}"
    if Path(name).name != name:
        raise ScenarioError(f"{name!r} cannot be a scenario's name; take letters, digits, '_', '-' and '.'")
    text = skeleton_text(name)
    Scenario.parse(text, path)
    made = [path]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_new(path, text)
        if not (folder / SCHEMA).exists():
            write_new(folder / SCHEMA, schema_text())
            made.append(folder / SCHEMA)
    except FileExistsError as error:
        raise ScenarioError(f"{error.filename} is there already and stays as it is; take another name") from error
    except OSError as error:
        raise ScenarioError(f"{error.filename or path} cannot be written: {error.strerror}") from error
    return tuple(made)


def write_new(path: Path, text: str) -> None:
    """Write a file that was not there before, even if another process is just making it.

    Raises:
        FileExistsError: it is there already, if only as a link that leads nowhere.
        OSError: it cannot be written.
    """
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w", encoding="utf-8") as file:  # noqa: PTH123  # a descriptor
        file.write(text)
