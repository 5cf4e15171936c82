"""YAML in, typed values out, and errors that say file, line, key and the nearest right word.

The fast path uses the C loader and looks at positions only when something is wrong.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Model = TypeVar("Model", bound=BaseModel)
Location = tuple[str | int, ...]
_TEXT, _MAPPING, _LIST = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "map", "seq"))
"""What YAML calls the kinds of nodes that need no conversion."""
_PLAIN = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "bool", "null"))
"""What it calls those whose values never change, so that they can be shared."""
_RESOLVE: Callable[..., str] = yaml.resolver.Resolver().resolve
_SECRET = re.compile("key|password|secret|token$")
"""Keys whose values never stand in a message."""


class DocumentError(Exception):
    """A document is wrong; ``str(error)`` has one line for each problem, each with file and line."""


@lru_cache(maxsize=512)
def _tag_of(kind: type[yaml.Node], value: str | None, implicit: tuple[bool, bool]) -> str:
    """Return what YAML calls a node; most nodes are keys, and the same keys stand in every file."""
    return _RESOLVE(kind, value, implicit)


@lru_cache(maxsize=512)
def _plain(tag: str, value: str) -> Any:
    """Return a number, a truth value or nothing, as the general constructor makes it."""
    return _StrictLoader("").construct_object(yaml.ScalarNode(tag, value))


def _plain_of(node: yaml.Node) -> Any:
    """Return the same for a node.

    Raises:
        ConstructorError: its tag says another kind than its text is; with the place.
    """
    try:
        return _plain(node.tag, node.value)
    except yaml.constructor.ConstructorError as error:
        error.problem_mark = node.start_mark
        raise


class _StrictLoader(Loader):  # type: ignore[misc]  # the C loader has no stubs
    """The safe loader that also refuses a key given twice, where YAML silently keeps the last."""

    resolve = staticmethod(_tag_of)

    def descend_resolver(self, current_node: yaml.Node, current_index: object) -> None:
        """Do nothing: no place in our files means another type."""

    def ascend_resolver(self) -> None:
        """Do nothing, as above."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Build one value, or raise with its place.

        Where a text is not what its tag says (``!!bool foo``), the library lets escape what its conversion raised.
        """
        try:
            return super().construct_object(node, deep=deep)
        except (KeyError, ValueError, IndexError, AttributeError) as error:
            kind = node.tag.rpartition(":")[2]
            raise yaml.constructor.ConstructorError(
                None,
                None,
                f"{node.value!r} cannot be read as !!{kind}; mend it, or in quotes and without a tag it is text",
                node.start_mark,
            ) from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build one mapping; raise when a key stands in it twice."""
        mapping: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        if len(mapping) != len(node.value):
            seen: set[Any] = set()
            for key_node, _ in node.value:
                key = self.construct_object(key_node, deep=True)
                if key in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key!r} stands here twice", key_node.start_mark
                    )
                seen.add(key)
        return mapping


def _data_in(text: str) -> Any:
    loader = _StrictLoader(text)
    try:
        if "&" in text:  # anchors: what they name is built once, and may even hold itself
            return loader.get_single_data()
        node = loader.get_single_node()
        return None if node is None else _built(node, loader)
    finally:
        loader.dispose()


def _built(node: yaml.Node, loader: _StrictLoader) -> Any:
    """Return the data of a node without anchors.

    Nearly all nodes are text, lists and mappings with names for keys. Built here, a file is read in half the time
    that the general constructor needs; that one gets all the others.
    """
    kind, tag = type(node), node.tag
    if kind is yaml.ScalarNode:
        if tag == _TEXT:
            return node.value
        if tag in _PLAIN:
            return _plain_of(node)
    elif kind is yaml.MappingNode and tag == _MAPPING:
        found = {}
        for key, value in node.value:
            if key.tag != _TEXT or type(key) is not yaml.ScalarNode:
                break
            found[key.value] = _built(value, loader)
        if len(found) == len(node.value):
            return found
    elif kind is yaml.SequenceNode and tag == _LIST:
        return [_built(one, loader) for one in node.value]
    return loader.construct_object(node, deep=True)


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML text, its data, and a name for messages."""

    name: str
    text: str
    data: Any

    @classmethod
    def read(cls, path: Path) -> Document:
        """Read and parse a file.

        Raises:
            DocumentError: it is missing, not UTF-8 or not YAML.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            hint = "; name a file in it" if path.is_dir() else ""
            raise DocumentError(f"{path}: cannot be read: {error.strerror or error}{hint}") from error
        except UnicodeDecodeError as error:
            raise DocumentError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from error
        return cls.parse(str(path), text)

    @classmethod
    def parse(cls, name: str, text: str) -> Document:
        """Parse *text*; *name* stands in messages.

        Raises:
            DocumentError: it is not YAML, or a key stands twice.
        """
        try:
            return cls(name, text, _data_in(text))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = f":{mark.line + 1}" if mark else ""
            raise DocumentError(f"{name}{line}: {error.problem or error.context}") from error
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            raise DocumentError(f"{name}: not readable as YAML: {error}") from error

    def line_of(self, location: Location) -> int:
        """Return the line (from 1) where *location* stands, or where its nearest known parent does."""
        node = yaml.compose(self.text, Loader=Loader)
        line = node.start_mark.line + 1 if node else 1
        for step in location:
            if isinstance(node, yaml.MappingNode):
                found = [(key, value) for key, value in node.value if key.value == str(step)]
                if not found:
                    break
                line, node = found[0][0].start_mark.line + 1, found[0][1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                line = node.start_mark.line + 1
            else:
                break
        return int(line)

    def validate(self, model: type[Model]) -> Model:
        """Return the data as *model*.

        Raises:
            DocumentError: unknown keys or wrong values, all of them, each with its line.
        """
        try:
            return model.model_validate(self.data)
        except ValidationError as error:
            raise DocumentError(self._lines(problems_of(error, model))) from error

    def refuse(self, problems: Iterable[ValueProblem]) -> None:
        """Pass when there are no *problems*.

        Raises:
            DocumentError: there are; all of them, each with its line.
        """
        if lines := self._lines(problems):
            raise DocumentError(lines)

    def _lines(self, problems: Iterable[ValueProblem]) -> str:
        return "\n".join(f"{self.name}:{self.line_of(one.location)}: {one.text}" for one in problems)


@dataclass(frozen=True, slots=True)
class ValueProblem:
    """One wrong value: where in the data, and a sentence."""

    location: Location
    text: str


def problems_of(error: ValidationError, model: type[BaseModel]) -> Iterator[ValueProblem]:
    """Turn pydantic's errors into sentences that name the key, the value and the nearest right word."""
    for detail in error.errors(include_url=False):
        location = tuple(step for step in detail["loc"] if not _is_tag(step))
        key = ".".join(str(step) for step in location) or "the document"
        if detail["type"] == "extra_forbidden":
            yield ValueProblem(location, f"unknown key '{key}'" + nearest_key(location, model))
        elif detail["type"] == "missing":
            yield ValueProblem(location, f"the key '{key}' is missing")
        else:
            reason = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
            shown = "" if _SECRET.search(key) else f"; it is {_shown(detail['input'])}"
            yield ValueProblem(location, f"'{key}': {reason}{shown}")


def nearest_key(location: Sequence[str | int], model: type[BaseModel]) -> str:
    """Return ``"; did you mean '...'?"`` or the list of keys that may stand there, or nothing."""
    owner: Any = model
    for step in location[:-1]:
        owner = _inside(owner, step)
        if owner is None:
            return ""
    fields = getattr(owner, "model_fields", None)
    if not fields:
        return ""
    names = [info.alias or name for name, info in fields.items()]
    close = difflib.get_close_matches(str(location[-1]), names, n=1)
    parent = ".".join(str(step) for step in location[:-1])
    if close:
        return f"; did you mean '{parent + '.' if parent else ''}{close[0]}'?"
    return f"; it may be one of: {', '.join(sorted(names))}"


def _inside(owner: Any, step: str | int) -> Any:
    """Return the model that stands under *step* of *owner*, looking through lists and optional values."""
    fields = getattr(owner, "model_fields", {})
    for name, info in fields.items():
        if step in (name, info.alias):
            return _model_in(info.annotation)
    return owner if isinstance(step, int) else None


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    origin = get_origin(annotation)
    if origin is Annotated:
        return _model_in(get_args(annotation)[0])
    if origin in (Union, UnionType) or (origin is not None and issubclass(origin, (Sequence, Mapping))):
        for part in get_args(annotation):
            if (found := _model_in(part)) is not None:
                return found
    return None


def _is_tag(step: str | int) -> bool:
    """Tell whether pydantic put *step* into a location itself, to name a branch of a union."""
    return isinstance(step, str) and (step.startswith(("function-", "tagged-", "constrained-")) or "[" in step)


def _shown(value: Any, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
