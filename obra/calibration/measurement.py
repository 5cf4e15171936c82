"""Judging the whole corpus, in several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context

from obra.calibration.corpus import Case
from obra.calibration.trial import Judged, Label, Reviewer, judge
from obra.config import Config
from obra.errors import ScenarioError

SCRIPTED = (Reviewer.NOBODY, Reviewer.YES, Reviewer.NO)
"""The reviewers that need no LLM."""

Progress = Callable[[int, int, str], None]
"""Called after each attempt with how many are done, how many there are, and its name."""


def reviewers_for(config: Config) -> tuple[Reviewer, ...]:
    """Return who reviews: those without an LLM, and the model when the settings name one."""
    return SCRIPTED if config.settings.llm.type == "scripted" else (*SCRIPTED, Reviewer.MODEL)


def measure(
    cases: Iterable[Case],
    config: Config,
    reviewers: Sequence[Reviewer],
    *,
    jobs: int = 1,
    progress: Progress | None = None,
) -> tuple[Judged, ...]:
    """Judge every case under every reviewer and return what came out, in the order of the cases.

    Args:
        cases: what to judge.
        config: the settings; agent and database are replaced.
        reviewers: who reviews, one after the other.
        jobs: how many processes work; the result does not depend on it.
        progress: told of each case that is done.

    Raises:
        ScenarioError: labels and hidden truth contradict each other; all such cases are named.
        ObraError: the machinery broke.
    """
    todo = list(cases)
    found: list[Judged] = []
    with ExitStack() as stack:
        for number, results in enumerate(_results(todo, config, reviewers, jobs, stack), start=1):
            found += results
            if progress:
                progress(number, len(todo), todo[number - 1].name)
    disputed = dict.fromkeys(_dispute(one) for one in found if one.label is Label.DISPUTED)
    if disputed:
        raise ScenarioError(
            f"{len(disputed)} label(s) of the corpus are wrong: {'; '.join(disputed)}; mend the attempt, its label "
            f"or the hidden checks of its task"
        )
    return tuple(found)


def _results(
    todo: Sequence[Case], config: Config, reviewers: Sequence[Reviewer], jobs: int, stack: ExitStack
) -> Iterator[tuple[Judged, ...]]:
    work = partial(judge, config=config, reviewers=reviewers)
    if jobs == 1:
        return map(work, todo)
    # Spawned, not forked: neither the database nor the threads of this process go along.
    pool = ProcessPoolExecutor(min(jobs, len(todo) or 1), mp_context=get_context("spawn"))
    stack.callback(pool.shutdown, cancel_futures=True)
    return pool.map(work, todo)


def _dispute(one: Judged) -> str:
    if one.truth:
        return f"{one.name} is labelled good, but hidden checks fail: {', '.join(one.truth)}"
    return f"{one.name} is labelled bad, but all hidden checks pass"
