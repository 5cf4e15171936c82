"""Repeats, gates, comparisons and uplift for people, in Markdown; the words are shared with the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from obra.reports.quoting import inline

Part = Mapping[str, Any]

_MOST_NAMES = 5

FIDELITY_HEAD = ("Agents", "Agree", "Rate", "95 % interval", "Same evidence", "No verdict")
"""Of the table that tells how alike the agents of a run are; its cells: :func:`fidelity_cells`."""
UPLIFT_HEAD = (
    "Agent",
    "Passed with Obra",
    "Passed alone",
    "Uplift",
    "95 % interval",
    "Only with, only alone",
    "Median cost with Obra",
    "Median cost alone",
)
HEAD = ("Case", "Passed", "Rate", "95 % interval", "pass@k", "pass^k", "Time", "Tokens", "Cost", "Flips by")


def statistics_parts(summary: Part) -> Iterator[str]:
    """Yield the chapters about the run as a whole; nothing where there is nothing beyond the plain results.

    Args:
        summary: with ``statistics``, and where they were asked for ``gates``, ``comparison`` and ``uplift``.
    """
    numbers = summary["statistics"]
    if has_repeats(numbers):
        yield "\n## Repeats\n\n"
        yield _table(HEAD, [case_cells(case) for case in numbers["cases"]])
        yield "\nTime, tokens and cost are medians of what is known; k is the number of runs with a verdict.\n"
        yield "".join(f"- {inline(line)}\n" for line in ("", *flaky_lines(numbers)) if line)
    if agreement := summary.get("fidelity", ()):
        yield "\n## Do the agents agree\n\n"
        yield _table(FIDELITY_HEAD, [[inline(cell) for cell in fidelity_cells(one)] for one in agreement])
        yield "".join(f"\n- {inline(line)}" for line in ("", *disagreement_lines(agreement)) if line) + "\n"
    for title, lines in (
        ("Gates", gate_lines(summary.get("gates", ()))),
        ("Compared with the baseline", comparison_lines(summary.get("comparison"))),
        ("With and without Obra", uplift_lines(summary.get("uplift", ()))),
    ):
        if lines:
            yield f"\n## {title}\n\n"
            yield "".join(f"- {inline(line)}\n" for line in lines)


def has_repeats(numbers: Part) -> bool:
    """Tell whether a case ran more than once."""
    return any(case["runs"] > 1 for case in numbers["cases"])


def case_cells(case: Part) -> tuple[str, ...]:
    """Return one case as the cells of :data:`HEAD`."""
    rate, broke = case["pass_rate"], case["counts"]["machinery_broke"]
    judged = rate["of"]
    return (
        inline(case["label"], 200),
        f"{rate['count']}/{judged}" + (f", {broke} broke" if broke else ""),
        f"{rate['count'] / judged:.1%}" if judged else "none",
        f"{rate['low']:.1%} to {rate['high']:.1%}" if judged else "none",
        f"{case['pass_at'][-1]:.1%}" if judged else "none",
        f"{case['pass_hat'][-1]:.1%}" if judged else "none",
        _median(case["seconds"], "{:.1f} s"),
        _median(case["tokens"], "{:g}"),
        _median(case["cost_usd"], "{:.4f} USD"),
        _causes(case),
    )


def flaky_lines(numbers: Part) -> list[str]:
    """Return one sentence for each case that passed in some repeats and not in others."""
    return [f"flaky: {case['label']}, flips by {_causes(case)}" for case in numbers["cases"] if case["is_flaky"]]


def fidelity_cells(one: Part) -> tuple[str, ...]:
    """Return one :class:`obra.statistics.fidelity.Fidelity`, as data, as the cells of :data:`FIDELITY_HEAD`."""
    agreeing, known = one["agreeing"], one["agreeing"]["of"]
    return (
        f"{one['other']} and {one['first']}",
        f"{agreeing['count']} of {known}",
        f"{agreeing['count'] / known:.1%}" if known else "none",
        f"{agreeing['low']:.1%} to {agreeing['high']:.1%}" if known else "none",
        f"{one['same_evidence']['count']} of {one['same_evidence']['of']}",
        str(one["without_verdict"]),
    )


def disagreement_lines(agreement: Sequence[Part]) -> list[str]:
    """Return one sentence for each case that ended differently with another agent."""
    return [
        f"{found['case']}, repeat {found['repeat']}: {found['first']} with {one['first']}, {found['other']} with "
        f"{one['other']} (first difference: {found['differs']})"
        for one in agreement
        for found in one["disagreements"]
    ]


def gate_lines(gates: Sequence[Part]) -> list[str]:
    """Return what became of each gate, and what speaks against it."""
    lines = []
    for gate in gates:
        lines.append(f"gate {gate['state']}: {gate['name']}")
        lines += [f"  {finding}" for finding in gate["findings"]]
    return lines


def comparison_lines(comparison: Part | None) -> list[str]:
    """Return the cases that changed, and what the comparison comes to."""
    if comparison is None:
        return []
    return [
        *(
            f"{_words(case)}: {comparison_label(case)}: {_share(case['before'])} -> "
            f"{_share(case['after'])}{_chance(case)}"
            for case in comparison["cases"]
            if case["change"] != "same"
        ),
        *(line["text"] for line in _ending_lines(comparison)),
    ]


def comparison_parts(comparison: Part | None) -> dict[str, Any] | None:
    """Return the comparison as a table of the cases that changed and the lines of what it comes to.

    Returns:
        ``baseline``; ``head`` and ``rows``, cells of text; ``lines``, each with ``text`` and ``is_bad``.
    """
    if comparison is None:
        return None
    rows = [
        (
            _words(case),
            comparison_label(case),
            _share(case["before"]),
            _share(case["after"]),
            _chance(case).strip(" ()") or "-",
        )
        for case in comparison["cases"]
        if case["change"] != "same"
    ]
    return {
        "baseline": comparison["baseline"],
        "head": ("Change", "Case", "Passed before", "Passed now", "By chance"),
        "rows": rows,
        "lines": _ending_lines(comparison),
    }


def _ending_lines(comparison: Part) -> list[dict[str, Any]]:
    counts = Counter(_words(case) for case in comparison["cases"])
    bad = comparison["is_regression"]
    told = ", ".join(f"{count} {change}" for change, count in counts.items())
    found = [
        {
            "text": f"{'regression' if bad else 'no regression'} against {comparison['baseline']}: "
            f"{told or 'no cases'}",
            "is_bad": bad,
        }
    ]
    if comparison["is_worse_overall"]:
        text = (
            f"{comparison['lower']} cases fell and {comparison['higher']} rose: worse as a whole "
            f"(sign test, p = {comparison['p']:.3f})"
        )
        found.append({"text": text, "is_bad": True})
    gone = [comparison_label(case) for case in comparison["cases"] if case["change"] == "gone"]
    if gone:
        more = f" and {len(gone) - _MOST_NAMES} more" if len(gone) > _MOST_NAMES else ""
        text = (
            f"warning: {len(gone)} of the baseline's cases did not run, so nothing is known of them: "
            f"{', '.join(gone[:_MOST_NAMES])}{more}. They are no regression, and no gate counts them"
        )
        found.append({"text": text, "is_bad": True})
    return found


def uplift_lines(uplifts: Sequence[Part]) -> list[str]:
    """Return how much Obra adds to each agent, with its interval."""
    return [
        f"uplift of Obra over {one['agent']} alone: {one['difference']['value']:+.1%} "
        f"(95% interval {one['difference']['low']:+.1%} to {one['difference']['high']:+.1%}; "
        f"{one['pairs']} pairs: {one['with_obra']['count']} passed with Obra, {one['bare']['count']} without)"
        for one in uplifts
    ]


def uplift_cells(one: Part) -> tuple[str, ...]:
    """Return one :class:`obra.statistics.uplift.Uplift`, as data, as the cells of :data:`UPLIFT_HEAD`."""
    difference = one["difference"]
    return (
        one["agent"],
        _share(one["with_obra"]),
        _share(one["bare"]),
        f"{difference['value']:+.1%}",
        f"{difference['low']:+.1%} to {difference['high']:+.1%}",
        f"{one['only_with_obra']} and {one['only_bare']}",
        _median(one["cost_with_obra"], "{:.4f} USD"),
        _median(one["cost_bare"], "{:.4f} USD"),
    )


def comparison_label(case: Part) -> str:
    """Return the case and the agent in one name."""
    return f"{case['case']} ({case['agent']}{', bare' if case['bare'] else ''})"


def _words(case: Part) -> str:
    return str(case["change"]).replace("_", " ")


def _chance(case: Part) -> str:
    if case["p"] is not None:
        return f" (p = {case['p']:.3f})"
    return " (scripted, so any change counts)" if case["change"] in {"better", "worse"} else ""


def _share(share: Part) -> str:
    return f"{share['count']}/{share['of']}"


def _causes(case: Part) -> str:
    counts = Counter(str(flip["cause"]) for flip in case["flips"])
    told = [f"{cause} {count}" for cause, count in counts.items()]
    if case["counts"]["machinery_broke"]:
        told.append(f"machinery {case['counts']['machinery_broke']}")
    return ", ".join(told) or "-"


def _median(measure: Part, form: str) -> str:
    if measure["median"] is None:
        return "unknown"
    return form.format(measure["median"]) + (f", {measure['unknown']} unknown" if measure["unknown"] else "")


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, ["---"] * len(head), *lines))
