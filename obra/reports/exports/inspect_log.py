"""The log format of Inspect (``inspect view``, ``read_eval_log``): one evaluation, one sample for each row."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any

from obra.reports.exports.moments import attempt_began, began
from obra.reports.wording import agent_text

Row = Mapping[str, Any]

VERSION = 2
_SCORES = ("passed", "quality", "confidence")


def log_parts(rows: Iterable[Row], summary: Row) -> Iterator[str]:
    """Yield the log piece by piece.

    A sample's ``id`` is its case and agent, and its file where another one has a case of that name; its ``epoch``
    counts the repeats and reruns, and ``counts`` among its metadata tells which of them do. A row whose machinery
    broke has an error and no score. The means are those of the rows that count; runs of an agent alone have none.

    Args:
        rows: gone through once.
        summary: of the same run, as :meth:`obra.reports.stored_run.StoredRun.summary` returns it.
    """
    lines = summary["scenarios"]
    id_of = _ids(lines)
    head = json.dumps(_head(summary, list(dict.fromkeys(map(id_of, lines)))))
    yield head.removesuffix("}")
    yield ', "samples": ['
    epochs: dict[str, int] = {}
    for index, (row, line) in enumerate(zip(rows, lines, strict=False)):
        name = id_of(row)
        epochs[name] = epochs.get(name, 0) + 1
        sample = _sample(row, summary["run"], index, name=name, epoch=epochs[name], counts=line["counts"])
        yield (",\n" if index else "\n") + json.dumps(sample)
    yield "\n]}\n"


def _head(summary: Row, ids: list[str]) -> dict[str, Any]:
    lines, counts = summary["scenarios"], summary["counts"]
    created = began({"attempts": []}, summary["run"]).isoformat()
    agents = sorted({line["agent"] for line in lines if line["agent"]})
    judged = [line for line in lines if line["result"] != "machinery_broke" and line["counts"]]
    with_obra = [line for line in judged if not line["bare"]]
    scores = [
        {
            "name": name,
            "scorer": name,
            "params": {},
            "metrics": {"mean": {"name": "mean", "value": mean, "params": {}}} if mean is not None else {},
        }
        for name in _SCORES
        if (mean := _mean(name, with_obra, counts)) is not None
    ]
    return {
        "version": VERSION,
        "status": "success" if summary["is_whole"] else "cancelled",
        "eval": {
            "run_id": summary["run"],
            "eval_id": summary["run"],
            "task_id": summary["run"],
            "created": created,
            "task": "obra",
            "dataset": {"name": "scenarios", "samples": len(ids), "sample_ids": ids, "shuffled": False},
            "model": ", ".join(agents) or "unknown",
            "config": {},
            "packages": {"obra": str(summary["environment"].get("obra", "unknown"))},
        },
        "plan": {"name": "obra", "steps": []},
        "results": {"total_samples": len(lines), "completed_samples": len(judged), "scores": scores},
        "stats": {"started_at": created, "completed_at": created, "model_usage": {}},
    }


def _sample(row: Row, run: str, index: int, *, name: str, epoch: int, counts: bool) -> dict[str, Any]:
    attempts, start = row["attempts"], began(row, run)
    reply = attempts[-1]["reply"] if attempts else ""
    broke = row["result"] == "machinery_broke"
    message = {"message": row["reason"], "traceback": "", "traceback_ansi": ""}
    return {
        "id": name,
        "epoch": epoch,
        "uuid": blake2b(f"{run}/{index}".encode("utf-8", "replace"), digest_size=11).hexdigest(),
        "input": attempts[0]["prompt"] if attempts else row["title"],
        "target": "; ".join(check["name"] for check in row["truth"]) or "completed",
        "messages": list(_messages(attempts, start)),
        "output": {
            "model": row["agent_identity"] or row["agent"] or "unknown",
            "choices": [{"message": {"role": "assistant", "content": reply}, "stop_reason": "stop"}],
        },
        "scores": {} if broke else _scores(row),
        "metadata": {
            **{
                key: row[key]
                for key in (
                    "scenario",
                    "path",
                    "parameters",
                    "repeat",
                    "execution",
                    "agent",
                    "bare",
                    "result",
                    "status",
                    "reason",
                    "node",
                )
            },
            "counts": counts,
        },
        "total_time": row["seconds"],
        "started_at": start.isoformat(),
        **({"error": message} if broke else {}),
    }


def _messages(attempts: Iterable[Row], start: datetime) -> Iterator[dict[str, Any]]:
    for attempt in attempts:
        metadata = {"attempt": attempt["number"], "at": attempt_began(attempt, start).isoformat()}
        yield {"role": "user", "content": attempt["prompt"], "metadata": metadata}
        yield {"role": "assistant", "content": attempt["reply"], "metadata": metadata}
        decision = f"{attempt['action']}: {attempt['reason']}\n\n{attempt['patch']}".rstrip()
        yield {"role": "system", "content": decision, "metadata": metadata}


def _scores(row: Row) -> dict[str, Any]:
    unmet = [check for check in (*row["expectations"], *row["truth"]) if not check["passed"]]
    why = "; ".join(f"{check['name']}: {check['message']}" for check in unmet) or row["reason"]
    found = {"passed": {"value": 1.0 if row["result"] == "passed" else 0.0, "explanation": why}}
    for name in ("quality", "confidence"):
        if row[name] is not None:
            found[name] = {"value": row[name], "explanation": row["reason"]}
    return found


def _mean(name: str, judged: list[Row], counts: Row) -> float | None:
    if name == "passed":
        return counts["passed"] / len(judged) if judged else None
    values = [line[name] for line in judged]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _ids(lines: Iterable[Row]) -> Callable[[Row], str]:
    """Return what gives a row the id of its sample."""
    files: dict[str, set[str]] = {}
    for line in lines:
        files.setdefault(_name(line), set()).add(line["path"])

    def id_of(row: Row) -> str:
        name = _name(row)
        return f"{name} in {row['path']}" if len(files[name]) > 1 else name

    return id_of


def _name(row: Row) -> str:
    return f"{row['case']} ({agent_text(row)})"
