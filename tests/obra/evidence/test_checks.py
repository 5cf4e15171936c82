from __future__ import annotations

import pytest
from pydantic import ValidationError

from obra.evidence.checks import cut, last_line
from obra.evidence.collector import KINDS, parse_check
from obra.evidence.file_checks import FileCheck


def test_output_is_cut_to_head_and_tail() -> None:
    """Both ends stay, the sum never exceeds the limit, a short text stays as it is."""
    text = "head" + "x" * 100_000 + "tail"
    short = cut(text, 300)
    assert short.startswith("head")
    assert short.endswith("tail")
    assert len(short) == 300
    assert "99708 characters or more left out" in short
    assert cut("short", 5) == "short"
    assert len(cut(text, 10)) == 10


def test_last_line() -> None:
    """White space does not count; a line without end is shortened; silence is said."""
    assert last_line("a\nb\n\n  \n") == "last line: b"
    assert last_line(" \n") == "no output"
    assert len(last_line("x" * 5000)) < 250


def test_settings_beside_the_kind() -> None:
    """name, timeout and required stand beside it and are strict about their types."""
    check = FileCheck.model_validate({"file": "a", "name": "there", "timeout": 3, "required": False})
    assert (check.name, check.timeout, check.required) == ("there", 3, False)
    for wrong in ({"timeout": True}, {"timeout": 0}, {"timeout": float("inf")}, {"required": "yes"}, {"name": ""}):
        with pytest.raises(ValidationError):
            FileCheck.model_validate({"file": "a", **wrong})


def test_a_check_is_frozen() -> None:
    """Nobody changes a check after it was read."""
    with pytest.raises(ValidationError):
        parse_check({"file": "a"}).name = "b"


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_a_schema_that_explains_every_key(kind: str) -> None:
    """The schema of the YAML comes from the models, with the short forms beside the long ones."""
    schema = KINDS[kind].model_json_schema()
    assert schema["required"] == [kind]
    assert schema["additionalProperties"] is False
    models = [schema, *schema.get("$defs", {}).values()]
    assert all("description" in key for model in models for key in model["properties"].values())
    if kind != "contains":
        assert {"type": "string"} in schema["properties"][kind]["anyOf"]
