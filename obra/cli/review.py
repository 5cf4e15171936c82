"""``obra review``: what one attempt was judged by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from obra.cli.commands import Command
from obra.cli.completions import task_ids
from obra.cli.options import Chosen, json_option, settings_options, stored
from obra.cli.output import as_json, number, say, styled
from obra.cli.scores import parts_of_confidence, parts_of_quality

if TYPE_CHECKING:
    from collections.abc import Sequence

    from obra.domain import Attempt, Review

_COLOURS = {"yes": "green", "no": "red", "shown": "green", "contradicted": "red"}


@click.command(
    cls=Command, waits="reading", examples=["obra review 1", "obra review 1 --attempt 1 --output --json"]
)
@click.argument("task_id", type=int, shell_complete=task_ids, metavar="TASK_ID")
@click.option("--attempt", "wanted", type=click.IntRange(min=1), metavar="NUMBER", help="The last by default.")
@click.option("--output", "with_output", is_flag=True, help="Also what the checks printed.")
@json_option
@settings_options
def review(task_id: int, wanted: int | None, with_output: bool, in_json: bool, chosen: Chosen) -> None:
    """Show what an attempt was judged by: evidence, review, scores.

    The evidence is what Obra saw and ran itself; the review is what the LLM answered, question by question, with
    what it quoted. Then the scores with their parts, and the decision with its reasons.
    """
    with stored(chosen.load()) as state:
        state.get_task(task_id)
        found = _chosen(state.attempts(task_id), task_id, wanted)
    if in_json:
        names = ("task_id", "number", "evidence", "review", "requirements", "quality", "confidence", "decision")
        as_json({name: getattr(found, name) for name in names})
        return
    _tell(found, with_output=with_output)


def _chosen(attempts: Sequence[Attempt], task_id: int, wanted: int | None) -> Attempt:
    from obra.errors import NotFound

    if not attempts:
        raise NotFound(f"task {task_id} has no attempt yet; run it with: obra run --task {task_id}")
    for one in attempts:
        if one.number == (wanted or attempts[-1].number):
            return one
    raise NotFound(f"task {task_id} has no attempt {wanted}; it has 1 to {attempts[-1].number}")


def _tell(attempt: Attempt, *, with_output: bool) -> None:
    from obra.cli.progress import COLOURS, tell_evidence

    say(styled(f"task {attempt.task_id}, attempt {attempt.number}", bold=True))
    say(styled("  evidence", bold=True))
    tell_evidence(attempt.evidence)
    for check in attempt.evidence.checks if with_output else ():
        if check.output:
            say(styled(f"  output of {check.name}", bold=True))
            say(check.output.rstrip())
    _tell_review(attempt.review)
    for requirement in attempt.requirements:
        state = str(requirement.state)
        why = f": {requirement.evidence}" if requirement.evidence else ""
        say("    ", styled(f"{state:<11}", _COLOURS.get(state, "")), f"{requirement.text}{why}")
    _tell_score("quality", attempt.quality.overall_score, parts_of_quality(attempt.quality.factors))
    _tell_score("confidence", attempt.confidence, parts_of_confidence(attempt.confidence_factors))
    action = attempt.decision.action
    say(
        styled("  decision ", bold=True),
        styled(action, COLOURS[action], bold=True),
        f": {attempt.decision.reason}",
    )
    for reason in attempt.decision.reasons:
        if reason != attempt.decision.reason:
            say(f"    {reason}")


def _tell_review(review: Review) -> None:
    from obra.cli.progress import describe_review

    say(styled("  review ", bold=True), f"{describe_review(review)} ({review.model or 'no model'})")
    for answer in review.answers:
        verdict = str(answer.verdict)
        say("    ", styled(f"{verdict:<7}", _COLOURS.get(verdict, "")), f"{answer.question}")
        details = [answer.reason, f'quoted: "{answer.quote}"' if answer.quote else ""]
        for text in filter(None, details):
            say(f"           {text}")
    if review.question:
        say(f"    asks: {review.question}")


def _tell_score(name: str, score: float, parts: Sequence[str]) -> None:
    say(styled(f"  {name} ", bold=True), number(score))
    for one in parts:
        say(f"    {one}")
