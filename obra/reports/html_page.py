"""The report of a run as one HTML page that needs nothing beside it: no network, no other file.

All foreign text is escaped by the template library, and control characters are shown, not obeyed. The page's own
policy lets only its own script and style take effect, by their hashes.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from obra.reports.diff_view import files_of
from obra.reports.drawings import quality_chart, shares, sparkline, timeline
from obra.reports.figures import cost_text, count_text, duration_text, score_text
from obra.reports.quoting import visible
from obra.reports.sabotage import ENDINGS, letter, share_text
from obra.reports.statistics import (
    FIDELITY_HEAD,
    UPLIFT_HEAD,
    comparison_parts,
    disagreement_lines,
    fidelity_cells,
    uplift_cells,
)
from obra.reports.wording import MEANINGS, WORDS, agent_text, command_again, obstacles_of, run_marks
from obra.sabotage.matrix import rate
from obra.statistics.same_names import told_apart

if TYPE_CHECKING:
    import jinja2
    from markupsafe import Markup

    from obra.reports.stored_run import StoredRun

Row = Mapping[str, Any]

_COLUMNS = (
    ("Result", False),
    ("Scenario", False),
    ("Agent", False),
    ("Status", False),
    ("Attempts", True),
    ("Quality", True),
    ("Confidence", True),
    ("Time", True),
    ("Tokens", True),
    ("Cost", True),
)
_ORDER = {key: index for index, key in enumerate(("verdict_wrong", "machinery_broke", "agent_failed", "passed"))}
"""By how soon a person should look."""
_SIGNS = {"added": "+", "removed": "-", "same": "", "hunk": "", "remark": ""}
_LEVEL = 6
"""Of compression: a thousand scenarios take a second, and a page of some megabytes."""


def page_parts(run: StoredRun) -> Iterator[str]:
    """Yield the page piece by piece; the run's rows are gone through twice, and not kept.

    Raises:
        ReportError: the run cannot be read.
    """
    environment = _environment()
    summary = run.summary()
    repeated = {_key(line) for line in summary["scenarios"] if line["repeat"] > 1}
    sparks = [_spark(row, is_repeated=_key(row) in repeated) for row in run.rows()]
    lines = [
        {**line, **spark, "index": index, "order": _ORDER[line["result"]], "words": _words(line)}
        for index, (line, spark) in enumerate(zip(summary["scenarios"], sparks, strict=True))
    ]
    passed = summary["statistics"]["pass_rate"]
    yield from environment.get_template("page.html").generate(
        summary=summary,
        gates=summary.get("gates", ()),
        fidelity=[fidelity_cells(one) for one in summary["fidelity"]],
        fidelity_head=FIDELITY_HEAD,
        disagreements=disagreement_lines(summary["fidelity"]),
        comparison=comparison_parts(summary.get("comparison")),
        uplift=[uplift_cells(one) for one in summary.get("uplift", ())],
        uplift_head=UPLIFT_HEAD,
        reasons=summary.get("not_run_reasons", {}),
        lines=lines,
        cases=list(_cases(summary, lines)),
        columns=[{"name": name, "number": number} for name, number in _COLUMNS],
        results=[{"key": key, "word": word, "meaning": MEANINGS[key]} for key, word in WORDS.items()],
        shares=shares(summary["counts"]),
        pass_rate=rate(passed["count"], passed["of"]),
        details=_details(environment, run.rows()),
        **_own_code(environment),
    )


def scenario_html(row: Row, environment: jinja2.Environment | None = None) -> str:
    """Return the part of the page that tells of one row."""
    return (
        (environment or _environment())
        .get_template("scenario.html")
        .render(
            row=row,
            chart=quality_chart(row["attempts"]),
            timeline=timeline(row["attempts"]),
            again=command_again(row),
        )
    )


def diff_html(patch: str) -> str:
    """Return a unified diff as a small page of its own, coloured and folding by file."""
    environment = _environment()
    return environment.get_template("diff.html").render(patch=patch, diff_style=_own_text(environment, "diff.css"))


def _details(environment: jinja2.Environment, rows: Iterable[Row]) -> Iterator[str]:
    """Yield what is packed into the page for each row: its part in HTML, in UTF-8, gzip and base64."""
    for row in rows:
        packed = gzip.compress(scenario_html(row, environment).encode(), _LEVEL, mtime=0)
        yield base64.b64encode(packed).decode()


@cache
def _environment() -> jinja2.Environment:
    """Return the template library, imported only when a page is made; it keeps what it has compiled."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.PackageLoader("obra.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    endings = {key: words.strip("*") for key, words in ENDINGS.items()}  # bold is Markdown's
    made.globals.update(words=WORDS, signs=_SIGNS, endings=endings)
    made.filters.update(
        score=score_text,
        duration=duration_text,
        count=count_text,
        cost=cost_text,
        share=share_text,
        letter=letter,
        files=files_of,
        obstacles=obstacles_of,
        total=_total,
        percent=_percent,
        lines=_size,
        tojson_text=lambda data: json.dumps(data, indent=2, ensure_ascii=False),
    )
    return made


def shown(value: Any) -> Any:
    """Return what a template is about to write, with characters that would be obeyed shown as U+FFFD."""
    if type(value) is str:  # escaped text of our own is of another type
        return visible(value)
    return value


def _own_code(environment: jinja2.Environment) -> dict[str, Any]:
    """Return the page's style and script as they stand in it, with the hashes that its policy asks for."""
    found: dict[str, Any] = {}
    for name, files in (("style", ("page.css", "diff.css")), ("script", ("page.js",))):
        text = _own_text(environment, *files)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        found[name] = text
        found[f"{name}_hash"] = f"sha256-{digest}"
    return found


def _own_text(environment: jinja2.Environment, *files: str) -> Markup:
    """Return files of this package, which templates write as they stand."""
    from markupsafe import Markup

    assert environment.loader is not None  # noqa: S101  # made above; tells mypy so
    text = "".join(environment.loader.get_source(environment, file)[0] for file in files)
    return Markup(text)  # noqa: S704  # nothing foreign is in it


def _key(line: Row) -> tuple[str, str, bool]:
    """Return what the runs of one case have in common."""
    return line["case"], line["agent"], bool(line["bare"])


def _spark(row: Row, *, is_repeated: bool) -> dict[str, Any]:
    scores = [attempt["quality"] for attempt in row["attempts"]]
    return {
        "spark": sparkline(scores),
        "spark_words": ", ".join(score_text(score) for score in scores),
        "tag": run_marks(row, is_repeated=is_repeated),
        "worker": agent_text(row),
    }


def _words(line: Row) -> str:
    """Return what the filter looks into."""
    return " ".join((line["scenario"], line["case"], line["agent"], line["status"] or "none")).lower()


def _cases(summary: Row, lines: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Yield the cases that ran more than once with the same agent, each with its runs."""
    groups: dict[tuple[str, str, bool], list[Row]] = {}
    for line in told_apart(lines):
        groups.setdefault(_key(line), []).append(line)
    for case in summary["statistics"]["cases"]:
        runs = groups[_key(case)]
        if len(runs) > 1:
            yield {
                **case,
                "name": case["case"],
                "worker": agent_text(case),
                "runs": [{**run, "title": _run_title(run)} for run in runs],
                "rate": rate(case["pass_rate"]["count"], case["pass_rate"]["of"]),
                "flips": ", ".join(f"{count} by {cause}" for cause, count in _causes(case)) or "none",
            }


def _causes(case: Row) -> list[tuple[str, int]]:
    return Counter(str(flip["cause"]) for flip in case["flips"]).most_common()


def _run_title(run: Row) -> str:
    marks = run_marks(run, is_repeated=True)
    return f"{marks}: {WORDS[run['result']]}{'' if run['counts'] else ', does not count'}"


def _total(totals: Row, key: str, kind: str) -> str:
    show: Any = {"duration": duration_text, "count": count_text, "cost": cost_text}[kind]
    if not totals[f"{key}_unknown"]:
        return str(show(totals[key]))
    return f"unknown; {show(totals[f'{key}_known'])} where it was told, {totals[f'{key}_unknown']} did not tell"


def _percent(factor: Row) -> float:
    if not factor["weight"] or factor["points"] is None:
        return 0.0
    share: float = factor["points"] / factor["weight"]
    return round(100 * min(max(share, 0.0), 1.0), 1)


def _size(text: str) -> str:
    count = text.count("\n") + (not text.endswith("\n"))
    return "1 line" if count == 1 else f"{count} lines"
