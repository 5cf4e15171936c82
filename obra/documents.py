"""YAML in, typed values out, and errors that say file, line, key and the nearest right word.

The fast path uses the C loader and looks at positions only when something is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from obra.wrong_values import Location, ValueProblem, problems_of
from obra.yaml_hints import hint_for

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Model = TypeVar("Model", bound=BaseModel)
_TEXT, _MAPPING, _LIST = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "map", "seq"))
"""What YAML calls the kinds of nodes that need no conversion."""
_PLAIN = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "bool", "null"))
"""What it calls those whose values never change, so that they can be shared."""
_RESOLVE: Callable[..., str] = yaml.resolver.Resolver().resolve


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
            problem = str(error.problem or error.context)
            raise DocumentError(f"{name}{line}: {problem}{hint_for(problem)}") from error
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
