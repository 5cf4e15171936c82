"""The report of a run for people: one Markdown page, made of its summary and its rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from obra.reports.figures import cost_text, count_text, score_text, seconds_text
from obra.reports.quoting import fenced, html_line, inline
from obra.reports.sabotage import sabotage_parts
from obra.reports.statistics import statistics_parts
from obra.reports.wording import MEANINGS, WORDS, agent_text, command_again, issues_of, run_marks, title_of

Row = Mapping[str, Any]


def report_markdown(summary: Mapping[str, Any], rows: Iterable[Row], environment: Mapping[str, str]) -> str:
    """Return the whole page.

    Args:
        summary: what :func:`obra.reports.summary.summarize` returned.
        rows: the rows it was made from; gone through once.
        environment: versions by name.
    """
    return "".join(report_parts(summary, rows, environment))


def report_parts(summary: Mapping[str, Any], rows: Iterable[Row], environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the page piece by piece, for runs that are too long to be held in memory."""
    title = f"Obra run {inline(summary['run'])}" if summary.get("run") else "Obra run"
    yield f"# {title}\n\n"
    yield headline(summary)
    yield "\n## Environment\n\n"
    yield _table(("What", "Version"), [(name, inline(value)) for name, value in environment.items()])
    if summary["scenarios"] or "sabotage" not in summary:
        yield from result_table(summary["scenarios"])
    yield from statistics_parts(summary)
    yield from not_run_parts(summary["not_run"], summary.get("not_run_reasons", {}))
    if "sabotage" in summary:
        yield from sabotage_parts(summary["sabotage"])
    for row in rows:
        yield from _scenario(row)


def result_table(lines: Iterable[Row]) -> Iterator[str]:
    """Yield the table of the scenarios' lines: first its head, then each of its rows."""
    head = (
        "Scenario",
        "Agent",
        "Result",
        "Status",
        "Attempts",
        "Quality",
        "Confidence",
        "Seconds",
        "Tokens",
        "Cost",
    )
    yield f"\n## Results\n\n{_line(head)}{_line(['---'] * len(head))}"
    yield from (_line(_result_cells(line)) for line in lines)


_CUT_OFF = (
    "This run was cut off and left no summary: what it did not come to, or was busy with, is missing here.\n\n"
)


def headline(summary: Mapping[str, Any]) -> str:
    """Return the counts, and a list of what the run took; what is unknown is told so."""
    counts, totals, rate = summary["counts"], summary["totals"], summary["pass_rate"]
    parts = [f"{counts[result]} {word}" for result, word in WORDS.items()]
    shown = "unknown, as nothing was judged" if rate is None else f"{rate:.0%} of what was judged"
    cost = _with_unknown(totals, "cost_usd", cost_text)
    tokens = _with_unknown(totals, "tokens", count_text)
    reruns = f" {summary['reruns']} more are reruns, which do not count." if summary["reruns"] else ""
    was_cut_off = summary["exit_status"] is None
    not_run = "nobody knows how many" if was_cut_off else counts["not_run"]
    return (
        f"{_CUT_OFF if was_cut_off else ''}{', '.join(parts)}, {not_run} not run.{reruns}\n\n"
        f"- Pass rate: {shown}\n"
        f"- Time: {seconds_text(summary['seconds'])} (scenarios alone: {totals['seconds_known']:.1f} s)\n"
        f"- Tokens: {tokens}\n"
        f"- Cost: {cost}\n"
        f"- Exit status: {count_text(summary['exit_status'])}\n"
    )


def _with_unknown(totals: Mapping[str, Any], key: str, show: Any) -> str:
    unknown = totals[f"{key}_unknown"]
    if not unknown:
        return str(show(totals[key]))
    return f"unknown (not told by {unknown} of the scenarios; the others: {show(totals[f'{key}_known'])})"


def not_run_parts(names: Sequence[str], reasons: Mapping[str, str]) -> Iterator[str]:
    """Yield the chapter about what was asked for and never ran, if any, with the reason of each."""
    if names:
        yield "\n## Not run\n\n"
        yield "".join(f"- {inline(name)}{_because(reasons.get(name, ''))}\n" for name in names)


def _because(reason: str) -> str:
    return f": {inline(reason)}" if reason else ""


def _scenario(row: Row) -> Iterator[str]:
    yield f"\n## {inline(title_of(row))}: {WORDS[row['result']]}\n\n"
    yield f"{WORDS[row['result']].capitalize()}: {MEANINGS[row['result']]}\n\n"
    yield from _facts(row)
    unmet = [check for check in (*row["expectations"], *row["truth"]) if not check["passed"]]
    if unmet:
        yield "\n**Not met**\n\n"
        yield "".join(f"- {inline(check['name'])}: {inline(check['message'])}\n" for check in unmet)
    yield from _issues(row)
    yield from _tasks(row.get("tasks", ()))
    yield from _answers(row.get("human", ()))
    yield from _check_table("Expectations", row["expectations"])
    yield from _check_table("Hidden checks", row["truth"])
    names = {one["task"]: f"{inline(one['name'])}: " for one in row.get("tasks", ())}
    for attempt in row["attempts"]:
        yield from _attempt(attempt, names.get(attempt.get("task"), ""))
    yield from _again(row)


def _facts(row: Row) -> Iterator[str]:
    facts = {
        "Status": f"{row['status'] or 'none'}, because: {inline(row['reason'])}",
        "Agent": inline(row["agent_identity"]) or "unknown",
        "Sandbox": inline(row.get("sandbox") or "") or "unknown",
        "Reviewer": inline(row["llm_identity"]) or "unknown",
        "Attempts": str(row["iterations"]),
        "Quality": score_text(row["quality"]),
        "Confidence": score_text(row["confidence"]),
        "Time": seconds_text(row["seconds"]),
        "Tokens": count_text(row["tokens"]),
        "Cost": cost_text(row["cost_usd"]),
    }
    opened = row["breakpoint"]
    if opened:
        facts["Breakpoint"] = f"{opened['id']} ({inline(opened['trigger'])}): {inline(opened['reason'])}"
    yield "".join(f"- {name}: {text}\n" for name, text in facts.items())


def _tasks(tasks: Sequence[Row]) -> Iterator[str]:
    if tasks:
        yield "\n**Tasks**\n\n"
        cells = [
            (
                inline(one["name"]),
                one["status"],
                str(one["iterations"]),
                score_text(one["quality"]),
                inline(one["reason"]),
            )
            for one in tasks
        ]
        yield _table(("Task", "Status", "Attempts", "Quality", "Because"), cells)


def _answers(answers: Sequence[Row]) -> Iterator[str]:
    """Yield what a person was asked and answered."""
    if answers:
        yield "\n**Asked and answered**\n\n"
        yield "".join(
            f"- after attempt {one['attempt']}{_of_task(one)}, {inline(one['trigger'])}: {inline(one['reason'])} "
            f"Answered by the scenario's person: {inline(one['answer'])}\n"
            for one in answers
        )


def _of_task(one: Row) -> str:
    return f" of {inline(one['task'])}" if one["task"] else ""


def _issues(row: Row) -> Iterator[str]:
    """Yield what got in the way, attempt by attempt, whatever the ending was."""
    met: list[str] = []
    for attempt in row["attempts"]:
        found = issues_of(attempt)
        met += [f"- attempt {attempt['number']}: {inline(issue)}\n" for issue in found]
    if met:
        yield "\n**Issues met on the way**\n\n"
        yield "".join(met)


def _attempt(attempt: Row, task: str) -> Iterator[str]:
    yield f"\n### {task}Attempt {attempt['number']}: {inline(attempt['action'])}\n\n"
    yield f"{inline(attempt['reason'])}\n\n"
    yield "".join(f"- {inline(reason)}\n" for reason in attempt["reasons"])
    yield (
        f"\n{seconds_text(attempt['seconds'])}, turns {count_text(attempt['turns'])}, "
        f"tokens {count_text(attempt['tokens'])}, cost {cost_text(attempt['cost_usd'])}\n"
    )
    yield from _folded("Prompt", attempt["prompt"])
    yield from _folded("Reply", attempt["reply"])
    yield from _changes(attempt)
    yield from _check_table("Checks", attempt["checks"])
    yield from _review(attempt["review"])
    yield from _requirement_table(attempt["requirements"])
    yield from _score_table("Quality", attempt["quality"], attempt["quality_factors"])
    yield from _score_table("Confidence", attempt["confidence"], attempt["confidence_factors"])
    yield from _folded("Feedback for the next attempt", attempt["feedback"])


def _changes(attempt: Row) -> Iterator[str]:
    changes = attempt["changes"]
    if not changes:
        yield "\nNo file changed.\n"
    else:
        yield "\n**Changes**\n\n"
        yield "".join(
            f"- {inline(change['kind'])}: {inline(change['path'])}"
            + (f" (was {inline(change['old_path'])})" if change["old_path"] else "")
            + f", +{change['added']} -{change['removed']}\n"
            for change in changes
        )
    yield from _folded("Diff since the task began", attempt["patch"], "diff")


def _review(review: Row) -> Iterator[str]:
    yield f"\n**Review**: {inline(review['verdict'])}, score {score_text(review['score'])}"
    yield f", by {inline(review['model'])}\n" if review["model"] else "\n"
    if review["question"]:
        yield f"\n- asks: {inline(review['question'])}\n"


def _requirement_table(requirements: Sequence[Row]) -> Iterator[str]:
    if requirements:
        yield "\n**Requirements**\n\n"
        cells = [
            (inline(one["text"]), one["state"].replace("_", " "), inline(one["evidence"])) for one in requirements
        ]
        yield _table(("Requirement", "State", "Evidence"), cells)


def _score_table(name: str, score: float | None, factors: Sequence[Row]) -> Iterator[str]:
    yield f"\n**{name}**: {score_text(score)}\n"
    if factors:
        yield "\n"
        yield _table(
            ("Factor", "Points", "Of", "Why"),
            [
                (inline(one["name"]), score_text(one["points"]), score_text(one["weight"]), inline(one["why"]))
                for one in factors
            ],
        )


def _check_table(name: str, checks: Sequence[Row]) -> Iterator[str]:
    if not checks:
        return
    yield f"\n**{name}**\n\n"
    cells = [
        (
            inline(check["name"]),
            "passed" if check["passed"] else "failed" if check["required"] else "failed, not required",
            inline(check["message"]),
        )
        for check in checks
    ]
    yield _table(("Check", "Result", "What was seen"), cells)
    for check in checks:
        if not check["passed"]:
            yield from _folded(f"Output of {check['name']}", check["output"])


def _again(row: Row) -> Iterator[str]:
    yield "\n**Run it again**\n\n"
    yield fenced(command_again(row), "sh")


def _folded(title: str, text: str, language: str = "text") -> Iterator[str]:
    if text:
        yield f"\n<details>\n<summary>{html_line(title)}</summary>\n\n"
        yield fenced(text, language)
        yield "\n</details>\n"


def _result_cells(line: Row) -> Sequence[str]:
    return (
        inline(f"{line['case']}{f', {marks}' if (marks := run_marks(line)) else ''}", 200),
        inline(agent_text(line), 200),
        WORDS[line["result"]] + ("" if line["counts"] else ", does not count"),
        line["status"] or "none",
        str(line["iterations"]),
        score_text(line["quality"]),
        score_text(line["confidence"]),
        "unknown" if line["seconds"] is None else f"{line['seconds']:.1f}",
        count_text(line["tokens"]),
        cost_text(line["cost_usd"]),
    )


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    return "".join(map(_line, (head, ["---"] * len(head), *lines)))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"
