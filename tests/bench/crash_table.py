"""The rows of the crash matrix as a Markdown table."""

from __future__ import annotations


def table(rows: list[dict], rungs: tuple[str, ...]) -> str:
    """Return the table: kinds of kill points down, *rungs* across, and below it each row that differs."""
    shown = [rung for rung in rungs if any(row["rung"] == rung for row in rows)]
    lines = ["| killed | " + " | ".join(shown) + " |", "|---" * (len(shown) + 1) + "|"]
    kinds = dict.fromkeys(_kind(row) for row in sorted(rows, key=lambda one: one["point"]))
    lines += [_line(kind, [row for row in rows if _kind(row) == kind], shown) for kind in kinds]
    lines.append(_line("**all**", rows, shown))
    adopted = [row for row in rows if row["way"] == "adopted"]
    lines += ["", f"Turns that were adopted alive: {len(adopted)}."]
    lines += [f"- {row['rung']}, {row['name']}: {row['result']}" for row in rows if row["result"] != "equal"]
    return "\n".join(lines)


def _kind(row: dict) -> str:
    return row["name"].partition(" #")[0]


def _line(name: str, rows: list[dict], rungs: list[str]) -> str:
    cells = []
    for rung in rungs:
        mine = [row["result"] == "equal" for row in rows if row["rung"] == rung]
        cells.append(f"{sum(mine)} of {len(mine)}" if mine else "")
    return f"| {name} | " + " | ".join(cells) + " |"
