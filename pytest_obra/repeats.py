"""Which run of its case a test is: repeats, runs without Obra, and how test ids tell them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from obra.scenarios.scenario import Scenario

FIXTURE = "obra_repeat"
_ID = re.compile(r"(?P<agent>.*?)-(?P<case>.*?)(?P<run>(-repeat\d+)?(-bare)?)")
_RUN = re.compile(r"(-repeat(?P<number>\d+))?(?P<bare>-bare)?")


class Repeat(NamedTuple):
    """One run of a case."""

    number: int = 1
    """Which of them, from 1."""
    of: int = 1
    """How many there are."""
    bare: bool = False
    """True when the agent is to work without Obra."""

    @property
    def id(self) -> str:
        """What stands at the end of the test's id: ``repeat03``, ``bare``, ``repeat03-bare`` or nothing."""
        number = f"repeat{self.number:0{len(str(self.of))}}" if self.of > 1 else ""
        return "-".join(filter(None, (number, "bare" if self.bare else "")))


class NodeNames(NamedTuple):
    """What a test's id tells of a run whose process did not live to tell it."""

    agent: str
    case: str
    repeat: int
    bare: bool


def repeats(config: pytest.Config, scenario: Scenario | None = None) -> Iterator[Repeat]:
    """Yield the runs of one case: as many as --obra-repeat or the scenario says, and with --obra-bare twice."""
    of = config.getoption("--obra-repeat") or (scenario.repeat if scenario else 1)
    for number in range(1, of + 1):
        yield Repeat(number, of)
        if scenario and config.getoption("--obra-bare") and can_be_bare(scenario):
            yield Repeat(number, of, bare=True)


def can_be_bare(scenario: Scenario) -> bool:
    """Tell whether hidden checks can judge an agent alone: there are some, and one task to be completed."""
    return bool(scenario.expect.truth) and scenario.expect.status == "completed" and not scenario.is_several


def parametrize_repeats(metafunc: pytest.Metafunc) -> None:
    """Give a test that brings its own scenario its repeats, when more than one is asked for."""
    runs = list(repeats(metafunc.config))
    if len(runs) > 1:
        metafunc.parametrize(FIXTURE, [pytest.param(one, id=one.id) for one in runs], indirect=True)


def repeat_of(node: pytest.Item) -> Repeat:
    """Return which run of its case a test is."""
    callspec = getattr(node, "callspec", None)
    found = callspec.params.get(FIXTURE) if callspec else None
    return found if isinstance(found, Repeat) else Repeat()


def names_in(nodeid: str, agents: Sequence[str] = (), cases: Sequence[str] = ()) -> NodeNames:
    """Read a test's id, such as ``a.obra.yaml::test_scenario[mock-hello-repeat2]``.

    Names may look like parts of others, such as a case ``hello-bare``: those of *agents* and *cases* go before
    what the id looks like.
    """
    inside = nodeid.partition("::")[2].partition("[")[2].rpartition("]")[0]  # xdist may write a group behind that
    for agent, case in itertools.product(agents, cases):
        plain = f"{agent}-{case}"
        for known in (plain, plain.encode("unicode_escape").decode()):  # as pytest writes it, unless told not to
            if inside.startswith(known) and (run := _RUN.fullmatch(inside, len(known))):
                return _named(agent, case, run)
    found = _ID.fullmatch(inside)
    run = found and _RUN.fullmatch(found["run"])
    return _named(found["agent"], found["case"], run) if found and run else NodeNames(inside, "", 1, bare=False)


def _named(agent: str, case: str, run: re.Match[str]) -> NodeNames:
    return NodeNames(agent, case, int(run["number"] or 1), bare=bool(run["bare"]))


def names_of_lost(nodeid: str, config: pytest.Config) -> NodeNames:
    """Read the id of a test whose process was lost; what its file says decides what its parts are."""
    from obra.errors import ScenarioError
    from obra.scenarios.scenario import SUFFIX, Scenario
    from pytest_obra.plugin import agent_names

    path = config.rootpath / nodeid.partition("::")[0]
    try:
        cases = [one.case for one in Scenario.load_cases(path)] if path.name.endswith(SUFFIX) else []
    except ScenarioError:  # it was changed or removed meanwhile
        cases = []
    return names_in(nodeid, agent_names(config), cases)
