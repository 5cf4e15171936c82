"""SpanWriter: an observer that makes spans of what happens: run > task > attempt > agent turn, checks, review.

Names follow the OpenTelemetry semantic conventions for generative AI (agent spans, client spans and evaluation
events); what they have no name for begins with ``obra.``. Texts of prompts and replies are not sent, as the
conventions ask.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from threading import Thread
from typing import TYPE_CHECKING, Any

from obra.domain import Attempt, CheckResult, Outcome, Reply, Review, TaskStatus
from obra.errors import ConfigError
from obra.events import (
    AgentActed,
    AttemptRecorded,
    BreakpointOpened,
    Event,
    EvidenceGathered,
    PromptReady,
    ReplyReceived,
    ReviewReceived,
    TaskEnded,
    TaskStarted,
    TurnRetried,
)
from obra.logbook import logger

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

_EXPORT_SECONDS = 10
"""How long one sending may take while the run goes on, in a thread of its own."""
_CLOSING_SECONDS = 0.5
"""How long the end of a run waits for a collector; what it has not taken by then is lost, and told."""
_away: set[str] = set()
"""Collectors of this process that were not there when a run ended."""
_PROVIDER = {"gen_ai.provider.name": "obra"}


class SpanWriter:
    """Sends spans to an OTLP collector over HTTP, in a thread of the library's own; the run never waits for it.

    Only :meth:`close` waits, half a second at most, and in one process only once for a collector that is away.
    Failures are the library's to log (logger ``opentelemetry``).

    Args:
        endpoint: the collector's base address, such as ``http://localhost:4318``.
        agent: name of the agent for its spans.
        run: id of the run; the same in the log.

    Raises:
        ConfigError: the extra ``otel`` is not installed.
    """

    def __init__(self, endpoint: str, *, agent: str, run: str) -> None:
        self._endpoint, self._agent, self._run = endpoint, agent, run
        self._provider = _provider(endpoint, run)
        self._tracer = self._provider.get_tracer("obra")
        self._open: dict[str, Span] = {}
        self._mark = time.time_ns()

    def __call__(self, event: Event) -> None:
        """Begin, end and annotate spans as *event* says."""
        match event:
            case TaskStarted(task=task):
                self._end_inner()
                self._begin("run", "", {"obra.run": self._run})
                self._begin("task", "run", {"obra.task.id": task.id, "obra.task.title": task.title})
                self._mark = time.time_ns()
            case PromptReady(number=number):
                self._begin("attempt", "task", {"obra.attempt": number}, since=self._mark)
                self._begin_turn()
            case AgentActed(event=acted):
                facts = {"gen_ai.tool.name": acted.tool, "obra.path": acted.path}
                self._note("agent", f"obra.agent.{acted.kind}", facts)
            case TurnRetried(error=error):
                self._note("agent", "obra.turn_retried", {"error.message": error})
            case ReplyReceived(reply=reply):
                self._end_turn(reply)
                self._begin("checks", "attempt", {})
            case EvidenceGathered(evidence=evidence):
                for check in evidence.checks:
                    self._note("checks", "gen_ai.evaluation.result", _evaluation(check))
                self._end("checks")
                self._mark = time.time_ns()
            case _:
                self._judged(event)

    def _judged(self, event: Event) -> None:
        match event:
            case ReviewReceived(review=review):
                self._write_review(review)
            case AttemptRecorded(attempt=attempt):
                self._end_attempt(attempt)
                self._mark = time.time_ns()
            case BreakpointOpened(breakpoint=opened):
                facts = {"obra.breakpoint.id": opened.id, "obra.breakpoint.trigger": str(opened.trigger)}
                self._note("task", "obra.breakpoint_opened", facts)
            case TaskEnded(outcome=outcome):
                self._end_task(outcome)

    def close(self) -> None:
        """End what is still open as broken off, and send what is not sent yet.

        A collector that has not taken it in half a second is told of once; the sending goes on in its thread for
        as long as the process lives.
        """
        self._end_inner()
        self._end("run")
        sending = Thread(target=self._provider.shutdown, name="obra-spans", daemon=True)
        sending.start()
        sending.join(0 if self._endpoint in _away else _CLOSING_SECONDS)
        if sending.is_alive() and self._endpoint not in _away:
            _away.add(self._endpoint)
            logger.warning(
                "the collector %s has not taken all spans within %g s; the run does not wait for it any longer: "
                "see that it is there, or empty telemetry.otlp_endpoint",
                self._endpoint,
                _CLOSING_SECONDS,
            )

    def _begin(
        self, key: str, parent: str, facts: Mapping[str, Any], *, name: str = "", since: int | None = None
    ) -> None:
        from opentelemetry import trace

        if key in self._open:
            return
        above = self._open.get(parent)
        context = trace.set_span_in_context(above) if above is not None else None
        kind = trace.SpanKind.CLIENT if key in ("agent", "review") else trace.SpanKind.INTERNAL
        self._open[key] = self._tracer.start_span(
            name or key, context, kind=kind, attributes=_known(facts), start_time=since
        )

    def _begin_turn(self) -> None:
        facts = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": self._agent, **_PROVIDER}
        self._begin("agent", "attempt", facts, name=f"invoke_agent {self._agent}")

    def _end_turn(self, reply: Reply) -> None:
        facts = {
            "gen_ai.conversation.id": reply.session,
            "gen_ai.usage.input_tokens": reply.tokens_in,
            "gen_ai.usage.output_tokens": reply.tokens_out,
            "obra.cost_usd": reply.cost_usd,
            "obra.model_calls": reply.turns,
            "obra.limit": reply.limit,
        }
        self._end("agent", facts)

    def _write_review(self, review: Review) -> None:
        facts = {"gen_ai.operation.name": "chat", "gen_ai.request.model": review.model, **_PROVIDER}
        self._begin("review", "attempt", facts, name=f"chat {review.model}".strip(), since=self._mark)
        result = {
            "gen_ai.evaluation.name": "review",
            "gen_ai.evaluation.score.value": review.score,
            "gen_ai.evaluation.score.label": str(review.verdict),
        }
        self._note("review", "gen_ai.evaluation.result", result)
        self._end("review")

    def _end_attempt(self, attempt: Attempt) -> None:
        facts = {
            "obra.action": str(attempt.decision.action),
            "obra.reason": attempt.decision.reason,
            "obra.quality": attempt.quality.overall_score,
            "obra.confidence": attempt.confidence,
        }
        self._end("attempt", facts)

    def _end_task(self, outcome: Outcome) -> None:
        facts = {
            "obra.status": str(outcome.status),
            "obra.reason": outcome.reason,
            "obra.quality": outcome.quality_score,
            "obra.confidence": outcome.confidence,
            "obra.cost_usd": outcome.cost_usd,
        }
        is_well = outcome.status is TaskStatus.COMPLETED
        for key in ("agent", "checks", "attempt"):
            self._end(key, broken="the task ended")
        self._end("task", facts, broken="" if is_well else str(outcome.status))

    def _note(self, key: str, name: str, facts: Mapping[str, Any]) -> None:
        if key in self._open:
            self._open[key].add_event(name, _known(facts))

    def _end(self, key: str, facts: Mapping[str, Any] | None = None, *, broken: str = "") -> None:
        from opentelemetry.trace import Status, StatusCode

        span = self._open.pop(key, None)
        if span is None:
            return
        span.set_attributes(_known(facts or {}))
        if broken:
            span.set_status(Status(StatusCode.ERROR, broken))
        span.end()

    def _end_inner(self) -> None:
        """End what a task that was broken off left open, innermost first; the run goes on."""
        for key in reversed([one for one in self._open if one != "run"]):
            self._end(key, broken="broken off")


def _provider(endpoint: str, run: str) -> TracerProvider:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ConfigError(
            f"telemetry.otlp_endpoint is set, and {error.name} is not installed: pip install 'obra[otel]'"
        ) from error
    resource = Resource.create({"service.name": "obra", "obra.run": run})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)  # close() does that, within its time
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _evaluation(check: CheckResult) -> dict[str, Any]:
    return {
        "gen_ai.evaluation.name": check.name,
        "gen_ai.evaluation.score.label": "passed" if check.passed else "failed",
        "gen_ai.evaluation.explanation": check.message,
    }


def _known(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known of *facts*; a span has no place for what is not."""
    return {name: value for name, value in facts.items() if value is not None and value != ""}
