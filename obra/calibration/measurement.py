"""Judging the whole corpus, in several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context

from obra.calibration.corpus import Case
from obra.calibration.trial import Judged, Label, Reviewer, judge_all
from obra.config import Config
from obra.errors import ScenarioError

SCRIPTED = (Reviewer.NOBODY, Reviewer.YES, Reviewer.YES_MODEL, Reviewer.SLY, Reviewer.NO, Reviewer.KNOWING)
"""The reviewers that need no real LLM."""

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
    """Judge every case under every reviewer and return what came out, task by task.

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
    groups = list(_groups(cases))
    found: list[Judged] = []
    done, total = 0, sum(map(len, groups))
    with ExitStack() as stack:
        for group, results in zip(groups, _results(groups, config, reviewers, jobs, stack), strict=True):
            found += results
            done += len(group)
            if progress:
                progress(done, total, group[-1].name)
    _require_right_labels(found)
    return tuple(found)


def _require_right_labels(found: Iterable[Judged]) -> None:
    disputed = dict.fromkeys(_dispute(one) for one in found if one.label is Label.DISPUTED)
    if disputed:
        raise ScenarioError(
            f"{len(disputed)} label(s) of the corpus are wrong: {'; '.join(disputed)}; mend the attempt, its "
            f"label or the hidden checks of its task"
        )


def _groups(cases: Iterable[Case]) -> Iterator[list[Case]]:
    """Yield attempts at one task that leave the same files behind, so that their checks run once."""
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[Case]] = {}
    for case in cases:
        key = (case.scenario.name, tuple(sorted(case.variant.files.items())))
        groups.setdefault(key, []).append(case)
    yield from groups.values()


def _results(
    groups: Sequence[list[Case]], config: Config, reviewers: Sequence[Reviewer], jobs: int, stack: ExitStack
) -> Iterator[tuple[Judged, ...]]:
    work = partial(judge_all, config=config, reviewers=reviewers)
    if jobs == 1:
        return map(work, groups)
    # Spawned, not forked: neither the database nor the threads of this process go along.
    pool = ProcessPoolExecutor(min(jobs, len(groups) or 1), mp_context=get_context("spawn"))
    stack.callback(pool.shutdown, cancel_futures=True)
    return pool.map(work, groups)


def _dispute(one: Judged) -> str:
    if one.truth:
        return f"{one.name} is labelled good, but hidden checks fail: {', '.join(one.truth)}"
    return f"{one.name} is labelled bad, but all hidden checks pass"
