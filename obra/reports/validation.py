"""The validation report of a run, ``REAL_ORCHESTRATION_TEST_REPORT.md``: every number in it is the run's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from obra.reports.figures import cost_text, count_text, duration_text, score_text, seconds_text
from obra.reports.markdown import headline, not_run_parts, result_table
from obra.reports.quoting import inline
from obra.reports.wording import MEANINGS, WORDS, agent_text, command_again, issues_of, title_of

if TYPE_CHECKING:
    from obra.reports.stored_run import StoredRun

Row = Mapping[str, Any]

_LONGEST = 400
_STAGES = ("prompt", "agent", "checks", "review", "decision", "record")


def validation_parts(run: StoredRun) -> Iterator[str]:
    """Yield the report piece by piece; the rows are gone through once for each chapter.

    Raises:
        ReportError: the run cannot be read.
    """
    summary = run.summary()
    yield f"# Real orchestration test report\n\nMade from the run `{inline(summary['run'])}`; do not edit.\n"
    yield from _environment(summary, run.rows())
    yield "\n## Tests executed\n\n"
    yield from (_executed(row) for row in run.rows())
    yield f"\n## Results\n\n{headline(summary)}"
    yield "".join(result_table(summary["scenarios"])).replace("## Results", "### By scenario")
    yield from not_run_parts(summary["not_run"], summary.get("not_run_reasons", {}))
    yield from _chapter("Issues encountered", map(_issues, run.rows()), "None.")
    yield from _chapter("Workarounds applied", map(_workarounds, run.rows()), "None: no attempt was sent back.")
    yield from _performance(summary, run.rows())
    yield from _logs(run, run.rows())
    yield from _recommendations(summary)


def _chapter(title: str, parts: Iterable[str], nothing: str) -> Iterator[str]:
    yield f"\n## {title}\n\n"
    told = False
    for part in parts:
        told = told or bool(part)
        yield part
    if not told:
        yield f"{nothing}\n"


def _environment(summary: Row, rows: Iterable[Row]) -> Iterator[str]:
    yield "\n## Test environment\n\n"
    yield "".join(f"- {inline(name)}: {inline(str(value))}\n" for name, value in summary["environment"].items())
    seen: dict[str, dict[str, None]] = {"agent": {}, "reviewer": {}, "sandbox": {}}
    for row in rows:
        for name, key in (("agent", "agent_identity"), ("reviewer", "llm_identity"), ("sandbox", "sandbox")):
            seen[name][row[key] or "unknown"] = None
    for name, values in seen.items():
        yield f"- {name}: {', '.join(map(inline, values)) or 'none'}\n"


def _executed(row: Row) -> str:
    title = f": {inline(row['title'], _LONGEST)}" if row["title"] else ""
    again = f", execution {row['execution']}" if row["execution"] > 1 else ""
    return f"- {inline(row['case'])} ({inline(agent_text(row))}, repeat {row['repeat']}{again}){title}\n"


def _issues(row: Row) -> str:
    lines = [] if row["result"] == "passed" else [f"{WORDS[row['result']]}: {row['reason']}"]
    lines += [
        f"not met: {check['name']}: {check['message']}"
        for check in (*row["expectations"], *row["truth"])
        if not check["passed"]
    ]
    lines += [f"attempt {one['number']}: {issue}" for one in row["attempts"] for issue in issues_of(one)]
    return _listed(row, lines)


def _workarounds(row: Row) -> str:
    """Tell what the loop did about issues: attempts that it sent back, and what it opened for a person."""
    lines = [
        f"attempt {one['number']} was followed by {one['action']}: {one['reason']}"
        for one in row["attempts"]
        if one["action"] in {"retry", "clarify"}
    ]
    if row["breakpoint"]:
        lines.append(f"breakpoint {row['breakpoint']['id']} was opened: {row['breakpoint']['reason']}")
    return _listed(row, lines)


def _listed(row: Row, lines: Sequence[str]) -> str:
    head = f"- {inline(title_of(row))}\n"
    return head + "".join(f"  - {inline(line, _LONGEST)}\n" for line in lines) if lines else ""


def _performance(summary: Row, rows: Iterable[Row]) -> Iterator[str]:
    numbers = summary["statistics"]
    yield "\n## Performance\n\n| What | Total | Median | Unknown |\n| --- | --- | --- | --- |\n"
    shows: dict[str, Any] = {"seconds": duration_text, "tokens": count_text, "cost_usd": cost_text}
    for key, show in shows.items():
        one = numbers[key]
        total = show(one["total"]) if not one["unknown"] else f"unknown; at least {show(one['total'])}"
        middle = "unknown" if one["median"] is None else show(one["median"])
        yield f"| {key} | {total} | {middle} | {one['unknown']} of {one['known'] + one['unknown']} |\n"
    seconds: Counter[str] = Counter()
    attempts, seen = 0, 0
    for row in rows:
        for attempt in row["attempts"]:
            attempts += 1
            seen += bool(attempt["stages"])
            for stage in attempt["stages"]:
                seconds[stage["name"]] += stage["seconds"]
    yield f"\nAttempts: {attempts}. Where their time went, of the {seen} that were watched:\n\n"
    yield "".join(f"- {name}: {seconds_text(seconds[name])}\n" for name in _STAGES if name in seconds)


def _logs(run: StoredRun, rows: Iterable[Row]) -> Iterator[str]:
    yield "\n## Logs\n\nIn the folder of the run; `results.jsonl` has every prompt, reply, event, diff:\n\n"
    names = sorted(
        path.name for path in run.directory.iterdir() if path.is_file() and not path.name.startswith(".")
    )
    yield "".join(f"- `{inline(name)}`\n" for name in names)
    yield "\nEach scenario again:\n\n"
    yield "".join(f"- <code>{inline(command_again(row), _LONGEST)}</code>\n" for row in rows)


def _recommendations(summary: Row) -> Iterator[str]:
    """Yield what follows from the counts, and nothing else."""
    yield "\n## Recommendations\n\n"
    counts, rate = summary["counts"], summary["statistics"]["pass_rate"]
    advice = {
        "verdict_wrong": "Sharpen the checks of these scenarios before any verdict on such work is trusted.",
        "agent_failed": "Do not give this agent such work unattended.",
        "machinery_broke": "Repair what broke and run these again; they say nothing about the agent.",
        "not_run": "Run what was left out before drawing conclusions.",
    }
    for key, words in advice.items():
        if counts[key]:
            name = WORDS.get(key, "not run")
            yield f"- {counts[key]} {name}: {MEANINGS.get(key, 'asked for, and never started.')} {words}\n"
    if rate["of"]:
        interval = f"{rate['low']:.0%} to {rate['high']:.0%}"
        yield f"- {rate['count']} of {rate['of']} passed; the true share lies between {interval} (95% interval)."
        yield " Repeat the scenarios to narrow it.\n"
    if summary["reruns"]:
        yield f"- {summary['reruns']} reruns do not count; look at what made the first execution fail.\n"
    unknown = summary["totals"]["cost_usd_unknown"]
    if unknown:
        yield f"- The cost of {unknown} scenarios is unknown; set a budget by time or turns, not by money.\n"
    scores = [line["quality"] for line in summary["scenarios"] if line["quality"] is not None]
    if scores:
        yield f"- The lowest quality of a scenario was {score_text(min(scores))}.\n"
