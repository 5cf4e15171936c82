"""OTLP/JSON: one trace for each row, by the semantic conventions for generative AI.

Each line of the file is one ``ExportTraceServiceRequest``, as the OpenTelemetry Collector's receiver
``otlpjsonfile`` reads it and as ``POST /v1/traces`` takes it. Format: OpenTelemetry Protocol 1.5, "JSON Protobuf
Encoding"; names: OpenTelemetry semantic conventions for GenAI agent spans, events and evaluation results.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any

from obra.reports.exports.moments import attempt_began, began, later, nanoseconds

Row = Mapping[str, Any]

_INTERNAL, _CLIENT = 1, 3
_OK, _ERROR = 1, 2


def request_of(row: Row, run: str, index: int) -> dict[str, Any]:
    """Return the trace of one row.

    Args:
        row: the row.
        run: the run's id.
        index: the row's place in the run; with it the same export has the same ids.
    """
    spans = [_without_nothing(span) for span in _Trace(row, run, index).spans()]
    resource = {"attributes": _attributes({"service.name": "obra", "obra.run": run})}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "obra"}, "spans": spans}]}]}


class _Trace:
    def __init__(self, row: Row, run: str, index: int) -> None:
        self._row = row
        self._seed = f"{run}/{index}"
        self._began = began(row, run)
        self._id = blake2b(self._seed.encode("utf-8", "replace"), digest_size=16).hexdigest()

    def spans(self) -> Iterator[dict[str, Any]]:
        row = self._row
        facts = {
            "obra.scenario": row["scenario"],
            "obra.case": row["case"],
            "obra.repeat": row["repeat"],
            "obra.execution": row["execution"],
            "obra.bare": row["bare"],
            "obra.result": row["result"],
            "obra.status": row["status"],
            "obra.reason": row["reason"],
            "obra.quality": row["quality"],
            "obra.confidence": row["confidence"],
            "obra.cost_usd": row["cost_usd"],
            **{f"obra.parameter.{name}": value for name, value in row["parameters"].items()},
        }
        end = later(self._began, row["seconds"])
        yield self._span(
            f"scenario {row['scenario']}", "root", self._began, end, facts, ok=row["result"] == "passed"
        )
        at = self._began
        for attempt in row["attempts"]:
            at = attempt_began(attempt, at)
            yield from self._attempt(attempt, at)
            at = later(at, attempt["seconds"])

    def _attempt(self, attempt: Row, start: datetime) -> Iterator[dict[str, Any]]:
        name = f"attempt {attempt['number']}"
        facts = {
            "obra.attempt": attempt["number"],
            "obra.action": attempt["action"],
            "obra.reason": attempt["reason"],
            "obra.quality": attempt["quality"],
            "obra.confidence": attempt["confidence"],
        }
        span = self._span(name, name, start, later(start, attempt["seconds"]), facts, parent="root")
        end = later(start, attempt["seconds"])
        yield {**span, "events": [self._check(check, end) for check in attempt["checks"]]}
        stages = {stage["name"]: stage for stage in attempt["stages"]}
        yield self._agent(attempt, name, start, stages.get("agent"))
        for stage in stages.values():
            if stage["name"] == "review":
                yield self._review(attempt, name, stage)
            elif stage["name"] != "agent":
                yield self._span(stage["name"], f"{name}/{stage['name']}", *self._times(stage), {}, parent=name)

    def _agent(self, attempt: Row, parent: str, start: datetime, stage: Row | None) -> dict[str, Any]:
        row = self._row
        times = self._times(stage) if stage else (start, later(start, attempt["agent_seconds"]))
        agent = row["agent_identity"] or row["agent"]
        facts = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.provider.name": "obra",
            "gen_ai.agent.name": agent,
            "gen_ai.conversation.id": attempt["session"] or None,
            "gen_ai.usage.input_tokens": attempt["tokens_in"],
            "gen_ai.usage.output_tokens": attempt["tokens_out"],
            "gen_ai.input.messages": attempt["prompt"],
            "gen_ai.output.messages": attempt["reply"],
            "obra.cost_usd": attempt["cost_usd"],
        }
        span = self._span(f"invoke_agent {agent}", f"{parent}/agent", *times, facts, parent=parent, kind=_CLIENT)
        events = [
            {
                "timeUnixNano": nanoseconds(later(self._began, event["at"])),
                "name": f"obra.agent.{event['kind']}",
                "attributes": _attributes(
                    {
                        "gen_ai.tool.name": event["tool"] or None,
                        "obra.text": event["text"],
                        "obra.path": event["path"],
                    }
                ),
            }
            for event in attempt["events"]
        ]
        return {**span, "events": events, "droppedEventsCount": attempt["events_left_out"]}

    def _review(self, attempt: Row, parent: str, stage: Row) -> dict[str, Any]:
        review, (start, end) = attempt["review"], self._times(stage)
        model = review["model"] or self._row["llm_identity"]
        facts = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "obra",
            "gen_ai.request.model": model,
            "gen_ai.output.messages": review["raw"],
        }
        span = self._span(f"chat {model}", f"{parent}/review", start, end, facts, parent=parent, kind=_CLIENT)
        result = {
            "gen_ai.evaluation.name": "review",
            "gen_ai.evaluation.score.value": review["score"],
            "gen_ai.evaluation.score.label": review["verdict"],
            "gen_ai.evaluation.explanation": "; ".join(review["issues"]),
        }
        return {**span, "events": [_event("gen_ai.evaluation.result", end, result)]}

    def _check(self, check: Row, at: datetime) -> dict[str, Any]:
        result = {
            "gen_ai.evaluation.name": check["name"],
            "gen_ai.evaluation.score.label": "passed" if check["passed"] else "failed",
            "gen_ai.evaluation.explanation": check["message"],
        }
        return _event("gen_ai.evaluation.result", at, result)

    def _times(self, stage: Row) -> tuple[datetime, datetime]:
        start = later(self._began, stage["at"])
        return start, later(start, stage["seconds"])

    def _span(
        self,
        name: str,
        key: str,
        start: datetime,
        end: datetime,
        facts: Mapping[str, Any],
        *,
        parent: str = "",
        kind: int = _INTERNAL,
        ok: bool | None = None,
    ) -> dict[str, Any]:
        return {
            "traceId": self._id,
            "spanId": self._span_id(key),
            "parentSpanId": self._span_id(parent) if parent else "",
            "name": name,
            "kind": kind,
            "startTimeUnixNano": nanoseconds(start),
            "endTimeUnixNano": nanoseconds(end),
            "attributes": _attributes(facts),
            "status": {} if ok is None else {"code": _OK if ok else _ERROR},
        }

    def _span_id(self, key: str) -> str:
        return blake2b(f"{self._seed}/{key}".encode("utf-8", "replace"), digest_size=8).hexdigest()


def _event(name: str, at: datetime, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {"timeUnixNano": nanoseconds(at), "name": name, "attributes": _attributes(facts)}


def _attributes(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what is known of *facts* as OTLP writes it."""
    return [{"key": key, "value": _value(value)} for key, value in facts.items() if value is not None]


def _value(value: object) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": str(value)}


def _without_nothing(span: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in span.items() if value not in ("", 0, [], {})}
