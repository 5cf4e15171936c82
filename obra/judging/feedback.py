"""What the agent hears of an attempt that was not accepted.

Every failed check is named; details follow as far as there is room.
"""

from __future__ import annotations

from collections.abc import Sequence

from obra.domain import Action, CheckResult, Evidence
from obra.judging.facts import Facts
from obra.judging.situation import Situation

LONGEST = 8000
"""Characters of a feedback, unless the names of the failed checks alone take more."""
LONGEST_NAME, LONGEST_MESSAGE, LONGEST_OUTPUT = 120, 1000, 1500
CUT = "[... {} characters left out ...]"

KEEP_TO_THE_TASK = (
    "Nobody can answer your question now. Keep to the words of the task, take the most conservative reading "
    "of them, do the work, and state the assumption you made."
)


def write_feedback(action: Action, reason: str, facts: Facts, situation: Situation) -> str:
    """Return the feedback for *action*: plain text, empty unless another attempt follows."""
    if action not in {Action.RETRY, Action.CLARIFY}:
        return ""
    evidence = situation.evidence or Evidence()
    failed = evidence.failed_checks
    parts = [_names(failed)] if failed else []
    if facts.asks and not facts.is_shown_complete:
        parts.append(KEEP_TO_THE_TASK)
    if situation.review and situation.review.question:
        parts.append(f"The reviewer asks: {situation.review.question}\nAnswer this in your reply, and act on it.")
    if situation.review and situation.review.issues:
        parts.append(_listed("The reviewer found these issues:", situation.review.issues))
    if situation.claims:
        parts.append(_listed("These statements of your reply are not true:", situation.claims))
    parts += [_details(check) for check in failed]
    if remarks := [f"{check.name}: {check.message}" for check in evidence.checks if _is_remark(check)]:
        parts.append(_listed("Remarks, which decide nothing:", [_head(one, LONGEST_MESSAGE) for one in remarks]))
    return _joined(parts or [f"The work is not accepted yet: {reason}."])


def _is_remark(check: CheckResult) -> bool:
    return not check.required and not check.passed


def _names(checks: Sequence[CheckResult]) -> str:
    return _listed("These checks failed:", [_head(check.name, LONGEST_NAME) for check in checks])


def _details(check: CheckResult) -> str:
    output = check.output.rstrip()
    if len(output) > LONGEST_OUTPUT:
        output = f"{CUT.format(len(output) - LONGEST_OUTPUT)}\n{output[-LONGEST_OUTPUT:]}"
    text = f"{_head(check.name, LONGEST_NAME)}: {_head(check.message, LONGEST_MESSAGE)}"
    return f"{text}\n{output}" if output else text


def _listed(title: str, sentences: Sequence[str]) -> str:
    return "\n".join([title, *(f"- {sentence}" for sentence in sentences)])


def _joined(parts: Sequence[str]) -> str:
    """Join what there is room for; the first part is always whole."""
    text = parts[0]
    for part in parts[1:]:
        room = LONGEST - len(text) - len("\n\n") - len(CUT) - len(str(len(part)))
        if room <= 0:
            break
        text = f"{text}\n\n{_head(part, room)}"
    return text


def _head(text: str, keep: int) -> str:
    return text if len(text) <= keep else text[:keep] + CUT.format(len(text) - keep)
