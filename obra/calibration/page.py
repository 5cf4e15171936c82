"""The numbers of a calibration as a Markdown page. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

BAR = 40
"""Characters of a full bar."""
MOST_NAMED = 40
"""Attempts that are named in a list; the JSON has all."""

Data = Mapping[str, Any]


def page(summary: Data, command: str) -> str:
    """Return the page; *command* is what it was made with."""
    parts = (
        _head(summary["corpus"], command),
        _told(summary.get("told", "")),
        _verdicts(summary["reviewers"]),
        _held_back(summary.get("held_back")),
        _scores(summary),
        _confidence(summary["reviewers"]),
        _named(summary["reviewers"]),
        _chances(summary["chances"]),
    )
    return "\n".join(line for part in parts for line in part).rstrip() + "\n"


def _head(corpus: Data, command: str) -> Iterator[str]:
    labels = corpus["labels"]
    yield from (
        "# Calibration",
        "",
        f"Made by `{command}`; do not edit. Every number here comes from that command.",
        "",
        f"The corpus has {corpus['attempts']} attempts at {corpus['tasks']} tasks:",
        f"{labels['good']} good and {labels['bad']} bad ones.",
        f"Besides, {labels['harmless']} made to be bad but passing every hidden check, which count nowhere.",
        "A label is known from how the attempt was made, and confirmed by hidden checks that the loop never sees.",
        "",
        "| Attempts | Number |",
        "|---|---:|",
        *(f"| {name} | {count} |" for name, count in corpus["origins"].items()),
        "",
        "`written` attempts are mistakes and good solutions written by hand; `derived` ones come from the honest",
        "scripts by `obra.sabotage`; `script` is the honest script itself. Script and written attempts are also",
        "judged with the task given without its checks; with the tasks that have none these are",
        f"{corpus['bare_attempts']} attempts.",
        "",
        "Who reviews: nobody (`no LLM`); four that are hostile: the `yes-man`, who says yes to everything in",
        "whole reviews, the `yes-model`, which says yes to each question, the `sly-model`, which sees through",
        "the canary and gives true quotes, and the `no-man`; and `all-knowing`, which says what is so: the best",
        "that a reviewer can be. No LLM is like it, and nothing is fitted to it.",
        "",
    )


def _told(text: str) -> Iterator[str]:
    """Yield what the corpus says of itself."""
    if text:
        yield from (*text.splitlines(), "")


def _verdicts(reviewers: Sequence[Data], level: str = "##") -> Iterator[str]:
    for key, title, remark in (
        ("with_checks", "Tasks with written checks", ""),
        (
            "without_checks",
            "Tasks without written checks",
            "Here a reviewer's yes decides, if the same reviewer does not say yes to a broken copy of the work.",
        ),
    ):
        yield from (f"{level} {title}", "", *([remark, ""] if remark else []))
        yield "| Reviewer | Completed | False accepts | False rejects | Precision | Recall |"
        yield "|---|---:|---:|---:|---:|---:|"
        for one in reviewers:
            counted = one[key]
            cells = [share(counted[name]) for name in ("false_accepts", "false_rejects", "precision", "recall")]
            total = counted["good"] + counted["bad"]
            yield f"| {one['model']} | {counted['completed']} of {total} | {' | '.join(cells)} |"
        yield ""
    yield "False accepts by where the attempts come from, with written checks:"
    yield ""
    yield "| Reviewer | Derived | Written by hand |"
    yield "|---|---:|---:|"
    for one in reviewers:
        found = one["with_checks"]["false_accepts_by_origin"]
        yield f"| {one['model']} | {share(found['derived'])} | {share(found['written'])} |"
    yield ""
    yield from _endings(reviewers)


def _held_back(found: Data | None) -> Iterator[str]:
    if found is None:
        return
    corpus, labels = found["corpus"], found["corpus"]["labels"]
    yield from (
        "## Held back",
        "",
        f"A second corpus of {corpus['attempts']} attempts at {corpus['tasks']} tasks of the same kinds:",
        f"{labels['good']} good and {labels['bad']} bad ones. Nothing is fitted to it. Derived attempts are left",
        "out: they are of the same making in every corpus.",
        "",
    )
    yield from _told(found.get("told", ""))
    yield from _verdicts(found["reviewers"], "###")
    yield "AUC of the quality score, with written checks, and what the confidence is worth here:"
    yield ""
    yield "| Reviewer | AUC | Verdicts | Right | Brier | Calibration error |"
    yield "|---|---:|---:|---:|---:|---:|"
    for one in found["reviewers"]:
        auc, sure = one["with_checks"]["quality_auc"], one["confidence"]
        cells = [number(sure["fitted"][name]) for name in ("brier", "calibration_error")]
        yield f"| {one['model']} | {number(auc)} | {sure['verdicts']} | {sure['right']} | {' | '.join(cells)} |"
    yield ""
    yield from _named(found["reviewers"], "###")


def _endings(reviewers: Sequence[Data]) -> Iterator[str]:
    lost = sum(len(one["lost"]) for one in reviewers)
    yield "Intervals hold the true share with a chance of 95 % (Wilson). How the tasks ended:"
    yield ""
    yield "| Reviewer | Completed | Escalated | Failed | Lost |"
    yield "|---|---:|---:|---:|---:|"
    for one in reviewers:
        cells = [str(one["endings"][end]) for end in ("completed", "escalated", "failed")]
        yield f"| {one['model']} | {' | '.join(cells)} | {len(one['lost'])} |"
    yield ""
    yield f"Failed are those whose agent crashed or hung. Lost, that is without a stored end: {lost}."
    yield ""


def _scores(summary: Data) -> Iterator[str]:
    words = summary["baseline"]
    yield from (
        "## What the quality score can tell",
        "",
        "AUC: the chance that a good attempt scores higher than a bad one. 0.5 is a coin, 1 is perfect. The least",
        "quality to accept is fitted to one half of the tasks and reported on the other.",
        "",
        "| Score | AUC | Least to accept | False accepts, other half | False rejects, other half |",
        "|---|---:|---:|---:|---:|",
    )
    for one in summary["reviewers"]:
        fitted = one["thresholds"]
        yield (
            f"| quality, {one['model']} | {number(one['with_checks']['quality_auc'])} | {fitted['quality']:g} "
            f"| {share(fitted['false_accepts'])} | {share(fitted['false_rejects'])} |"
        )
    yield (
        f"| words alone (naive Bayes), other half | {number(words['auc'])} | | {share(words['false_accepts'])} "
        f"| {share(words['false_rejects'])} |"
    )
    yield ""
    yield f"On the {words['attempts']} attempts that the words were tried on, the AUC of quality is"
    yield f"{number(words['quality_auc'])}."
    yield ""


def _confidence(reviewers: Sequence[Data]) -> Iterator[str]:
    yield from (
        "## What the confidence is worth",
        "",
        "The confidence is the chance that the verdict is right. It is fitted to the attempts at one half of the",
        "tasks and held against those at the other half, with and without written checks. Good and bad attempts",
        "weigh the same. Brier score and calibration error: 0 is best; always to say 50 % has a Brier score",
        "of 0.25. The points are what the factors add up to; taken for a chance they are the number before it was",
        "calibrated.",
        "",
        "| Reviewer | Verdicts | Right | Brier | Calibration error | Brier of points | Error of points |",
        "|---|---:|---:|---:|---:|---:|---:|",
    )
    for one in reviewers:
        found = one["confidence"]
        fitted, points = found["fitted"], found["points"]
        yield (
            f"| {one['model']} | {found['verdicts']} | {found['right']} | {number(fitted['brier'])} "
            f"| {number(fitted['calibration_error'])} | {number(points['brier'])} "
            f"| {number(points['calibration_error'])} |"
        )
    yield ""
    yield "Reliability: what was said (`|`) and how often it was right (`#`)."
    yield ""
    yield "```text"
    for one in reviewers:
        yield one["model"]
        for row in one["confidence"]["reliability"]:
            yield (
                f"  {row['low']:.1f} - {row['high']:.1f}  {bar(row['came_true'], row['said'])}  "
                f"said {row['said']:.3f}  right {row['came_true']:.3f}  n={row['count']:g}"
            )
    yield "```"
    yield ""


def _named(reviewers: Sequence[Data], level: str = "##") -> Iterator[str]:
    for one in reviewers[:1]:
        for key in ("with_checks", "without_checks"):
            words = key.replace("_", " ")
            yield from _list(f"{level} Accepted and bad, {words}, {one['model']}", one[key]["accepted_bad"])
            if key == "with_checks":
                yield from _list(f"{level} Good and refused, {words}, {one['model']}", one[key]["refused_good"])


def _list(title: str, rows: Sequence[Data]) -> Iterator[str]:
    yield title
    yield ""
    if not rows:
        yield "None."
    for row in rows[:MOST_NAMED]:
        yield f"- `{row['attempt']}` ({row['origin']}): {plain(row['why'])}"
    if len(rows) > MOST_NAMED:
        yield f"- and {len(rows) - MOST_NAMED} more"
    yield ""


def _chances(chances: Mapping[str, Data]) -> Iterator[str]:
    yield from ("## Chances", "", "From so many points up, the verdict is right with this chance in percent.", "")
    yield "| Reviewer | Verdict | Points and chance |"
    yield "|---|---|---|"
    for model, verdicts in chances.items():
        for verdict, steps in verdicts.items():
            told = ", ".join(f"{points:g}: {chance:g}" for points, chance in steps) or "none"
            yield f"| {model or 'any that was not measured'} | {verdict} | {told} |"


def share(found: Data | None) -> str:
    """Return ``2 of 400, 0.5 % (0.1 to 1.8)``; a dash where there is nothing to share."""
    if found is None or not found["of"]:
        return "-"
    return (
        f"{found['count']} of {found['of']}, {100 * found['rate']:.1f} % "
        f"({100 * found['low']:.1f} to {100 * found['high']:.1f})"
    )


def number(value: float | None) -> str:
    """Return a number with three decimals, or a dash."""
    return "-" if value is None else f"{value:.3f}"


def bar(came_true: float, said: float) -> str:
    """Return a bar as long as *came_true* with a mark at *said*; both from 0 to 1."""
    line = list(("#" * round(came_true * BAR)).ljust(BAR + 1))
    line[round(said * BAR)] = "|"
    return "".join(line)


def plain(text: str) -> str:
    """Return foreign text as one line that Markdown does not read."""
    line = " ".join(text.split()).replace("`", "'").replace("|", "\\|").replace("<", "&lt;")
    return line if len(line) <= 2 * BAR * 2 else line[: 2 * BAR * 2 - 3] + "..."
