"""The words of the four outcomes and of what got in the way, the same in every report."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

_RUN_OF_CASE = re.compile(r"(-repeat(?P<number>\d+))?(?P<bare>-bare)?\]$")
"""What stands behind a case in a test's id, where there are several runs of it."""
WORDS = {
    "passed": "passed",
    "agent_failed": "agent failed",
    "verdict_wrong": "verdict wrong",
    "machinery_broke": "machinery broke",
}
MEANINGS = {
    "passed": "the task ended as it should, and the hidden checks agree.",
    "agent_failed": "the task did not end as it should.",
    "verdict_wrong": "what Obra decided is not what the hidden checks show.",
    "machinery_broke": "there is no verdict; this says nothing about the agent.",
}


def issues_of(attempt: Mapping[str, Any]) -> list[str]:
    """Return all that was found wanting in one attempt, one sentence each."""
    found = obstacles_of(attempt)
    found += [f"{check['name']}: {check['message']}" for check in attempt["checks"] if not check["passed"]]
    found += [f"the reviewer says: {issue}" for issue in attempt["review"]["issues"]]
    return found


def obstacles_of(attempt: Mapping[str, Any]) -> list[str]:
    """Return what got in the way of one attempt beside checks and review, one sentence each."""
    found = [f"the turn was ended by {attempt['limit']}"] if attempt["limit"] else []
    found += [f"not permitted: {denial}" for denial in attempt["denials"]]
    found += attempt["tampering"]
    found += [f"the reply is no answer: {problem}" for problem in attempt["problems"]]
    found += [f"the agent asks: {attempt['question']}"] if attempt["question"] else []
    return found


def agent_text(row: Mapping[str, Any]) -> str:
    """Return the agent of a row, and whether it worked without Obra."""
    return f"{row['agent']} alone" if row.get("bare") else str(row["agent"])


def run_marks(row: Mapping[str, Any], *, is_repeated: bool = False) -> str:
    """Return which run of its case a row is, such as ``repeat 2, execution 2``; nothing of a case that ran once.

    Args:
        row: a row or a line of one.
        is_repeated: whether the case has further repeats, so that the first is named, too.
    """
    repeat, execution = row.get("repeat", 1), row.get("execution", 1)
    marks = [f"repeat {repeat}"] if repeat > 1 or is_repeated else []
    return ", ".join([*marks, f"execution {execution}"] if execution > 1 else marks)


def title_of(row: Mapping[str, Any]) -> str:
    """Return the case, the agent and which run of it a row is, in one line."""
    marks = run_marks(row)
    return f"{row.get('case') or row['scenario']} ({agent_text(row)}{f', {marks}' if marks else ''})"


def command_again(row: Mapping[str, Any]) -> str:
    """Return the shell command that runs a row's scenario once more, under the options that its id comes from."""
    options = [f" --obra-agent={shlex.quote(row['agent'])}"] if row["agent"] else []
    found = _RUN_OF_CASE.search(row["node"].removesuffix(row["case"] + "]"))
    if found and found["number"]:  # the number has as many digits as that of all repeats
        repeats = max(2, int(found["number"]), 10 ** (len(found["number"]) - 1))
        options.append(f" --obra-repeat={repeats}")
    if found and found["bare"]:
        options.append(" --obra-bare")
    return f"pytest{''.join(options)} {shlex.quote(row['node'] or row['path'])}"
