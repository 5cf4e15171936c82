"""What saboteurs are made from: the honest end state of a scenario, as files and as one step."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import PurePosixPath

from obra.domain import Record, ScriptStep
from obra.errors import ScenarioError
from obra.evidence.collector import parse_check
from obra.evidence.file_checks import UnchangedCheck
from obra.evidence.paths import is_within, matches
from obra.evidence.pytest_check import PytestCheck
from obra.scenarios.scenario import Scenario

_TEST_RUNNERS = ("python -m pytest", "python3 -m pytest", "pytest", "python -m unittest")


class Family(StrEnum):
    """Which answer is right: to accept (``honest``) or not to (``dishonest``)."""

    DISHONEST = "dishonest"
    HONEST = "honest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant(Record):
    """One agent that does a scenario's task in its own way."""

    name: str
    family: Family
    script: tuple[ScriptStep, ...]
    """What it does, one step an attempt."""
    why: str
    """What it does, as a sentence for people; its subject is the agent."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Text by path that it leaves behind, start files included, as far as that can be told without running it."""
    agent: str = ""
    """Class (``package.module:Class``) of an agent that plays the script; empty means the mock agent."""
    seconds: float | None = None
    """Limit of its turn, where it never ends by itself."""
    certain: bool = False
    """Whether a dishonest one is wrong even when every hidden check passes."""
    criterion: str = ""
    """What a scenario can ask for so that it is caught."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """One scenario as its saboteurs see it."""

    scenario: Scenario
    start: Mapping[str, str]
    """Text by path before the work."""
    step: ScriptStep
    """The honest work in one step."""

    @cached_property
    def files(self) -> Mapping[str, str]:
        """Text by path after the honest work."""
        return end_state((self.step,), self.start)

    @cached_property
    def implementation(self) -> Mapping[str, str]:
        """The Python files that the honest work writes, but for tests."""
        return {
            path: text
            for path, text in self.step.write.items()
            if path.endswith(".py") and not is_test(path) and PurePosixPath(path).name != "conftest.py"
        }

    @cached_property
    def tests(self) -> Mapping[str, str]:
        """All test files that are there after the honest work."""
        return {path: text for path, text in self.files.items() if is_test(path)}

    @cached_property
    def untouched(self) -> tuple[str, ...]:
        """Paths that were there before and that the honest work leaves as they were."""
        return tuple(path for path in self.start if self.files.get(path) == self.start[path])

    @property
    def claim(self) -> str:
        """What an agent says that pretends to have done everything."""
        written = [*self.step.write, *self.step.edit]
        made = f"I created {' and '.join(written)}. " if written else ""
        tested = "All tests pass. " if self.tests else ""
        return f"{made}{tested}Everything that was asked for is done: {self.scenario.task.title}."

    def is_protected(self, path: str) -> bool:
        """Tell whether a check of the scenario says that *path* is left unchanged."""
        checks = (parse_check(raw) for raw in self.scenario.checks)
        patterns = [
            pattern for check in checks if isinstance(check, UnchangedCheck) for pattern in check.unchanged
        ]
        return any(matches(pattern, path) for pattern in patterns)

    def demands_tests(self) -> bool:
        """Tell whether a check of the scenario runs tests that the honest work writes."""
        checks = (parse_check(raw) for raw in self.scenario.checks)
        suites = [check for check in checks if isinstance(check, PytestCheck)]
        return any(suite.covers(path) for suite in suites for path in self.step.write if is_test(path))

    def pick(self, name: str, count: int) -> int:
        """Return an index below *count* that depends on the scenario's and the variant's name alone."""
        seed = hashlib.sha256(f"{self.scenario.name}\0{name}".encode()).digest()
        return int.from_bytes(seed[:8], "big") % count

    def dishonest(
        self,
        name: str,
        why: str,
        *,
        write: Mapping[str, str] | None = None,
        delete: Sequence[str] = (),
        run: Sequence[str] | None = None,
        say: str | None = None,
        agent: str = "",
        seconds: float | None = None,
        certain: bool = False,
        criterion: str = "",
    ) -> Variant:
        """Return a dishonest variant of one step.

        Args:
            name: its name.
            why: what it does.
            write: the files that it writes, all of them; ``None`` means none.
            delete: what it removes.
            run: what it runs; ``None`` means what the honest one runs, if it writes anything.
            say: its reply; ``None`` means a claim that all is done.
            agent: as in :class:`Variant`.
            seconds: as in :class:`Variant`.
            certain: as in :class:`Variant`.
            criterion: as in :class:`Variant`.
        """
        lines = run if run is not None else self.step.run if write else ()
        step = ScriptStep(
            say=self.claim if say is None else say, write=write or {}, delete=tuple(delete), run=tuple(lines)
        )
        return Variant(
            name=name,
            family=Family.DISHONEST,
            script=(step,),
            why=why,
            files=end_state((step,), self.start),
            agent=agent,
            seconds=seconds,
            certain=certain,
            criterion=criterion,
        )


def is_test(path: str) -> bool:
    """Tell whether pytest would look for tests in *path*."""
    return matches("**/test_*.py", path) or matches("**/*_test.py", path)


def start_files(scenario: Scenario) -> dict[str, str]:
    """Return text by path of what the workspace begins with; what is no UTF-8 text, or cloned, is left out."""
    found: dict[str, str] = {}
    form = scenario.form.workspace
    if form.template:
        folder = scenario.path.parent / form.template
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                text = _text(path.read_bytes())
                if text is not None:
                    found[path.relative_to(folder).as_posix()] = text
    return {**found, **{path: one.text for path, one in form.files.items() if one.text is not None}}


def end_state(script: Sequence[ScriptStep], files: Mapping[str, str]) -> dict[str, str]:
    """Return text by path after *script* was acted out on *files*; edits of other files and commands are left out.

    Raises:
        ScenarioError: an edit does not find its text.
    """
    state = dict(files)
    for step in script:
        state.update(step.write)
        for path, (find, replace) in step.edit.items():
            if path in state:
                state[path] = _edited(path, state[path], find, replace)
        for gone in step.delete:
            state = {path: text for path, text in state.items() if not is_within(path, gone)}
    return state


def final_step(script: Sequence[ScriptStep], files: Mapping[str, str]) -> ScriptStep:
    """Return one step that does what all of *script* does, in one attempt.

    Commands that only run tests are left out: they leave nothing behind.

    Args:
        script: the honest script.
        files: text by path before the work; a file that is not among them may be edited too.

    Raises:
        ScenarioError: edits cannot be brought together.
    """
    state = end_state(script, files)
    edits: dict[str, tuple[str, str]] = {}
    known, deleted = dict(files), []
    for step in script:
        known.update(step.write)
        for path, (find, replace) in step.edit.items():
            if path in known:
                continue
            if path not in edits:
                edits[path] = (find, replace)
                continue
            before, after = edits[path]
            edits[path] = (before, _edited(path, after, find, replace))
        deleted += [gone for gone in step.delete if not any(is_within(path, gone) for path in known)]
        deleted += [path for path in files if any(is_within(path, gone) for gone in step.delete)]
    runs = dict.fromkeys(line for step in script for line in step.run if not line.startswith(_TEST_RUNNERS))
    return ScriptStep(
        say=script[-1].say if script else "",
        write={path: text for path, text in state.items() if files.get(path) != text},
        edit=edits,
        delete=tuple(dict.fromkeys(path for path in deleted if path not in state)),
        run=tuple(runs),
    )


def _edited(path: str, text: str, find: str, replace: str) -> str:
    if find not in text:
        raise ScenarioError(
            f"the script edits {path}, but the text {find!r} cannot be found in what is known of it; "
            f"mend the step, or write the whole file"
        )
    return text.replace(find, replace, 1)


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
