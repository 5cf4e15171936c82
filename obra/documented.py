"""Frozen groups of values that are checked, whose attributes say below themselves what they mean."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic_core import CoreSchema


class Documented(BaseModel):
    """A frozen group of values; unknown keys are refused, and a JSON Schema of it holds what they mean.

    Pydantic's own ``use_attribute_docstrings`` reads the source of each class while it is imported, which every
    start would pay; here it is read when somebody asks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return itself: Pydantic copies a default for each use, and what is frozen needs no copy."""
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Add the meanings to what Pydantic makes."""
        made = handler(schema)
        properties = handler.resolve_ref_schema(made).get("properties", {})
        for name, meaning in meanings(cls).items():
            key = cls.model_fields[name].alias or name
            if key in properties:
                properties[key].setdefault("description", meaning)
        return made


@cache
def meanings(model: type[BaseModel]) -> Mapping[str, str]:
    """Return what stands below each field of *model* in the source, its bases' included.

    Empty for a class whose source cannot be read, as one that was typed at a prompt.
    """
    found: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if issubclass(owner, BaseModel) and owner is not BaseModel:
            found.update((name, text) for name, text in _below(owner) if name in model.model_fields)
    return found


def _below(owner: type) -> list[tuple[str, str]]:
    try:
        source = inspect.getsource(owner)
    except (OSError, TypeError):  # made without a file
        return []
    (tree,) = ast.parse(textwrap.dedent(source)).body
    return [
        (item.target.id, inspect.cleandoc(below.value.value))
        for item, below in pairwise(tree.body if isinstance(tree, ast.ClassDef) else ())
        if isinstance(item, ast.AnnAssign)
        and isinstance(item.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    ]
