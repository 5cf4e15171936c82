"""Checks that only read: files that are there, that are not there, what stands in them, what was left alone."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterable
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from obra.evidence.checks import Check, Finding, Model, failed, passed
from obra.evidence.paths import (
    Missing,
    Paths,
    RelativePath,
    Unusable,
    listed,
    locate,
    locate_file,
    matches,
    read_file,
    shown,
)
from obra.evidence.patterns import Pattern, is_found
from obra.evidence.scene import Scene


class FileCheck(Check):
    """Files are there: regular files inside the workspace."""

    kind: ClassVar[str] = "file"

    file: Paths
    """Path or list of paths, relative to the workspace."""

    def describe(self) -> str:
        """Say which files must exist."""
        return _names("the file", "the files", self.file) + (" exists" if len(self.file) == 1 else " exist")

    def look(self, scene: Scene) -> Finding:
        """Look each path up."""
        problems = []
        for path in self.file:
            try:
                locate_file(scene.root, path)
            except Unusable as reason:
                problems.append(f"{shown(path)} {reason}")
        expected = _names("the file", "the files", self.file)
        if problems:
            return failed(f"expected {expected}; {'; '.join(problems)}")
        return passed(f"{expected} {'exists' if len(self.file) == 1 else 'exist'}")


def _plain(paths: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse wildcards: taken as they are written nothing is ever there, so the check could never fail."""
    for path in paths:
        if set(path) & set("*?"):
            raise ValueError(
                f"{path!r} has a wildcard, and a path of 'absent' is taken as it is written, so the check could "
                f"never fail; name each path"
            )
    return paths


class AbsentCheck(Check):
    """Nothing stands at these paths: no file, no folder, no link."""

    kind: ClassVar[str] = "absent"

    absent: Annotated[Paths, AfterValidator(_plain)]
    """Path or list of paths, relative to the workspace; no wildcards, which would never be found."""

    def describe(self) -> str:
        """Say what must not be there."""
        return f"nothing exists at {listed(map(shown, self.absent), 'or')}"

    def look(self, scene: Scene) -> Finding:
        """Look each path up, without following a link at its end."""
        problems = []
        for path in self.absent:
            folder, _, name = path.rpartition("/")
            try:
                if os.path.lexists(locate(scene.root, folder or ".") / name):
                    problems.append(f"{shown(path)} exists")
            except Missing:
                continue  # where there is no folder, nothing is in it
            except Unusable as reason:
                problems.append(f"the folder of {shown(path)} {reason}")
        if problems:
            expected = listed(map(shown, self.absent), "or")
            return failed(f"expected nothing at {expected}; {'; '.join(problems)}")
        return passed(self.describe())


class ContainsSpec(Model):
    """What stands in a file: exactly one of ``text`` and ``regex``."""

    file: RelativePath
    """Path of the file, relative to the workspace."""
    text: Annotated[str, Field(strict=True, min_length=1)] | None = None
    """Must stand in the file as it is; line ends of either kind are the same."""
    regex: Pattern | None = None
    """Must fit somewhere in the file; ^ and $ fit at each line. Ended when the check's time is up."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.text is None) == (self.regex is None):
            raise ValueError("exactly one of 'text' and 'regex' is needed")
        return self


class ContainsCheck(Check):
    """A file has a certain text in it."""

    kind: ClassVar[str] = "contains"

    contains: ContainsSpec
    """Mapping with file, and text or regex."""

    def describe(self) -> str:
        """Say what must stand where."""
        return f"the file {shown(self.contains.file)} {self._wish()}"

    def _wish(self) -> str:
        if self.contains.text is not None:
            return f"contains the text {self.contains.text!r}"
        return f"has a match of the pattern {self.contains.regex!r}"

    def look(self, scene: Scene) -> Finding:
        """Read the file and search it."""
        path = shown(self.contains.file)
        try:
            data = read_file(scene.root, self.contains.file).replace(b"\r\n", b"\n")
            if self._stands_in(data, self.limit(scene)):
                return passed(self.describe())
            lines = data.count(b"\n") + (not data.endswith(b"\n") and bool(data))
            seen = f"not found in its {lines} line{'s'[: lines != 1]}"
        except Unusable as reason:
            return failed(f"expected that {self.describe()}; {path} {reason}")
        except TimeoutError as reason:
            return failed(f"expected that {self.describe()}; {reason}")
        return failed(f"expected that {self.describe()}; {seen}")

    def _stands_in(self, data: bytes, timeout: float) -> bool:
        if self.contains.regex is not None:
            return is_found(self.contains.regex, data.removeprefix(codecs.BOM_UTF8), timeout)
        text = str(self.contains.text).replace("\r\n", "\n")
        return text.encode("utf-8", "surrogatepass") in data


_NEVER_SEEN = frozenset({".git", ".obra", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache"})


def _is_seen(paths: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse what no difference ever shows: a check of it could never fail."""
    for path in paths:
        if found := _NEVER_SEEN.intersection(path.split("/")):
            raise ValueError(
                f"{min(found)} is no part of the work and never looked at, so a check of {path!r} could never fail"
            )
    return paths


class UnchangedCheck(Check):
    """Protected paths: no change since the task began touches them."""

    kind: ClassVar[str] = "unchanged"

    unchanged: Annotated[Paths, AfterValidator(_is_seen)]
    """Path, glob or list of them; ** stands for any number of folders, a folder for all that is in it."""

    def describe(self) -> str:
        """Say what must be left alone."""
        verb = "is" if len(self.unchanged) == 1 else "are"
        return f"{listed(map(shown, self.unchanged))} {verb} left unchanged"

    def look(self, scene: Scene) -> Finding:
        """Compare the changes with the patterns; both ends of a renaming count."""
        touched = []
        for change in scene.changes:
            ends = (change.old_path, change.path) if change.old_path else (change.path,)
            if any(matches(pattern, end) for pattern in self.unchanged for end in ends):
                touched.append(f"{' -> '.join(map(shown, ends))} was {change.kind.replace('_', ' ')}")
        if not touched:
            return passed(self.describe())
        patterns = listed(map(shown, self.unchanged))
        return failed(f"expected no change of {patterns}; {_some(touched)}")


def _names(one: str, many: str, paths: tuple[str, ...]) -> str:
    return f"{one if len(paths) == 1 else many} {listed(map(shown, paths))}"


def _some(sentences: Iterable[str], limit: int = 10) -> str:
    """Join *sentences*, the first *limit* of them, and say how many more there are."""
    every = list(sentences)
    more = f"; and {len(every) - limit} more" if len(every) > limit else ""
    return "; ".join(every[:limit]) + more
