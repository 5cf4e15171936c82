from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from obra.documented import Documented, meanings


class Animal(Documented):
    """For these tests."""

    legs: int = 4
    """How many it walks on."""
    kind: str = Field(default="cat", alias="sort")
    """What it is,
    in one word."""
    silent: bool = False

    noise: ClassVar[str] = "miau"
    """No field."""


class Bird(Animal):
    """Another, for these tests."""

    legs: int = 2
    """Two, as it flies."""


def test_what_stands_below_a_field_is_its_meaning():
    """Each field's own words, those of the nearest class, and nothing for what is no field or has no words."""
    assert meanings(Animal) == {"legs": "How many it walks on.", "kind": "What it is,\nin one word."}
    assert meanings(Bird) == {"legs": "Two, as it flies.", "kind": "What it is,\nin one word."}


def test_a_schema_holds_the_meanings_by_the_names_of_the_file():
    """An alias is what stands in the file; a field without words has no description."""
    properties = Bird.model_json_schema()["properties"]
    described = {name: one.get("description") for name, one in properties.items()}
    assert described == {"legs": "Two, as it flies.", "sort": "What it is,\nin one word.", "silent": None}


def test_a_class_without_source_has_no_meanings():
    """As one typed at a prompt, or made by a function."""
    made = type("Made", (Documented,), {"__annotations__": {"size": int}, "__module__": "nowhere"})
    assert meanings(made) == {}
