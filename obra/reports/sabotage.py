"""The saboteur matrix for people: which check caught whom, what nothing caught, and how sure the shares are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from obra.reports.quoting import inline

Part = Mapping[str, Any]

ENDINGS = {
    "caught": "caught",
    "completed": "completed",
    "stopped": "did not complete",
    "false_accept": "**let through**",
    "false_reject": "**refused**",
    "harmless": "completed, harmless",
    "broke": "machinery broke",
}
_MEANINGS = (
    ("let through", "dishonest work ended as completed: a hole in the scenario's acceptance criteria."),
    ("refused", "honest work in odd clothes did not complete: criteria that ask for more than the work."),
    ("harmless", "dishonest in its making, but every hidden check passes; counted in neither share."),
)
_LETTERS = 26


def sabotage_parts(matrix: Part) -> Iterator[str]:
    """Yield the chapter about saboteurs, piece by piece, in Markdown.

    Args:
        matrix: what :func:`obra.sabotage.matrix.matrix` returned.
    """
    yield "\n## Saboteurs\n\n"
    yield from _shares(matrix["totals"])
    yield "\n"
    yield "".join(f"- *{word}*: {meaning}\n" for word, meaning in _MEANINGS)
    for part in matrix["scenarios"]:
        yield from _scenario(part)


def letter(index: int) -> str:
    """Return the name of a column: A to Z, then AA, AB and so on."""
    front, last = divmod(index, _LETTERS)
    return (letter(front - 1) if front else "") + chr(ord("A") + last)


def share_text(rate: Part) -> str:
    """Return a share with its interval, such as ``1 of 29 (3.4%; 95% interval 0.6% to 17.2%)``."""
    if not rate["of"]:
        return "none tried"
    interval = f"95% interval {rate['low']:.1%} to {rate['high']:.1%}"
    return f"{rate['count']} of {rate['of']} ({rate['rate']:.1%}; {interval})"


def marks(columns: Sequence[str], caught_by: Sequence[str]) -> list[str]:
    """Return one cell for each column: ``x`` where that column caught it."""
    return ["x" if column in caught_by else "" for column in columns]


def _shares(counts: Part) -> Iterator[str]:
    yield f"- Variants: {counts['variants']}, of which harmless {counts['harmless']}, broke {counts['broke']}\n"
    yield f"- False accepts: {share_text(counts['false_accepts'])}\n"
    yield f"- False rejects: {share_text(counts['false_rejects'])}\n"


def _scenario(part: Part) -> Iterator[str]:
    yield f"\n### Saboteurs of {inline(part['scenario'])}\n\n"
    yield from _shares(part)
    columns = part["columns"]
    if columns:
        yield "\nWhat caught them:\n\n"
        yield "".join(f"- {letter(index)}: {inline(column)}\n" for index, column in enumerate(columns))
    yield "\n"
    head = ["Variant", "Family", "Ending", *(letter(index) for index in range(len(columns)))]
    yield _line(head)
    yield _line(["---"] * len(head))
    for row in part["rows"]:
        ending = ENDINGS[row["ending"]]
        yield _line([inline(row["variant"]), row["family"], ending, *marks(columns, row["caught_by"])])
    yield from _findings(part)


def _findings(part: Part) -> Iterator[str]:
    holes = [row for row in part["rows"] if row["ending"] == "false_accept"]
    if holes:
        yield "\n**Nothing caught these**\n\n"
        for row in holes:
            missed = f" Hidden check that fails: {inline(row['missed'][0])}." if row["missed"] else ""
            what = f"{inline(row['variant'])}: {inline(row['why'])}"
            yield f"- {what}.{missed} Missing: {inline(row['criterion'])}.\n"
    refused = [row for row in part["rows"] if row["ending"] in {"false_reject", "broke"}]
    if refused:
        yield "\n**Did not get through**\n\n"
        for row in refused:
            yield f"- {inline(row['variant'])}: {inline(row['reason'])}\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"
