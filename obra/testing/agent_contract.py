"""check_agent: the contract of :class:`obra.plugins.AgentPlugin` as code."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from obra.domain import Reply, TurnLimits
from obra.errors import AgentCrashed, AgentError, AgentTimeout, AgentUnavailable
from obra.plugins import AgentPlugin, ContractCase
from obra.testing.agent_life import check_end, check_start, check_turn, check_turns, living
from obra.testing.leftovers import Leftovers
from obra.testing.requirements import AGENT, ErrorTypes, must_raise, no_error, require, require_bool
from obra.testing.scene import Meanwhile, Scene, Stage

HUGE = 5_000_000
"""Characters of a huge answer."""
LONG = 1_000_000
"""Characters of a long prompt."""
_PATIENCE_SECONDS = 120.0
"""How much later than its limit a turn may end, on a busy machine and with every rung of the ladder."""

PROMISES: Mapping[ContractCase, str] = {
    ContractCase.NORMAL_TURN: "a prompt is answered, and the work is in the workspace",
    ContractCase.SECOND_TURN: "the turns of one task are one session",
    ContractCase.REFUSAL: "a model API that turns us away is AgentUnavailable",
    ContractCase.PERMISSION_DENIED: "what policy forbids is not done, and the reply names it or the turn fails",
    ContractCase.TURN_LIMIT: "a turn ends at its limit of model calls, the reply says so, and the session goes on",
    ContractCase.COST_LIMIT: "a turn ends at its limit of cost, the reply says so, and the session goes on",
    ContractCase.WALL_CLOCK: "a turn that takes longer than it may is AgentTimeout",
    ContractCase.IDLE: "a turn that is silent for longer than it may be is AgentTimeout",
    ContractCase.HUGE_OUTPUT: f"a line of {HUGE:,} characters arrives whole",
    ContractCase.LONG_PROMPT: f"a prompt of {LONG:,} characters arrives whole",
    ContractCase.CRASH: "a program that dies in the middle of a turn is AgentCrashed",
    ContractCase.HANG: "a program that is stopped in the middle of a turn is AgentTimeout, and is gone",
    ContractCase.GARBAGE: "output that is no message is passed over",
    ContractCase.RESUME_AFTER_KILL: "after a kill in the middle of a turn the next prompt continues the session",
    ContractCase.CANCEL: "cleanup() from another thread ends the turn at once, with an AgentError",
    ContractCase.CLEANUP: "cleanup() may be called twice; then nothing is left and nothing goes on",
}
"""What each case asks for, in a sentence. In every case nothing may be left in the end."""


def check_agent(
    make_agent: Callable[[], AgentPlugin],
    *,
    workspace: Path,
    config: Mapping[str, Any],
    prompts: Sequence[str],
    impossible: Mapping[str, Any] | None = None,
    stage: Stage | None = None,
) -> None:
    """Drive an agent through its whole life: initialize, a turn for each prompt, cleanup twice.

    *prompts* are at least two that the agent can answer. *config* is what ``initialize`` gets, to which
    ``workspace_dir`` is added. *impossible*, when given, is a config that must make ``initialize`` raise an
    AgentError, such as one that names a program which is not there. The agent is cleaned up in any case.

    With a *stage*, every :class:`~obra.plugins.ContractCase` is brought about, too, each in a folder of its own
    beside *workspace*. Those that the agent declares as exceptions (``contract_exceptions``) are left out.

    Raises:
        AssertionError: the agent does not keep the contract of :class:`obra.plugins.AgentPlugin`.
    """
    require(len(prompts) > 1, "check_agent needs at least two prompts, to see two turns of one session")
    settings = {**config, "workspace_dir": str(workspace)}
    with living(make_agent) as agent:
        check_start(agent, settings)
        check_turns(agent, prompts)
        check_end(agent, prompts[0])
    if impossible is not None:
        with living(make_agent) as agent:
            refused = {"workspace_dir": str(workspace), **impossible}
            must_raise(AGENT, "initialize() with an impossible config", lambda: agent.initialize(refused))
            require(agent.is_healthy() is False, "is_healthy() must be False after initialize() has failed")
    if stage is not None:
        for case in ContractCase:
            check_case(case, stage, workspace=workspace.with_name(f"{workspace.name}-{case.name.lower()}"))


def exceptions_of(agent: object) -> Mapping[ContractCase, str]:
    """Return what the agent says it cannot do, with its reasons.

    Raises:
        AssertionError: a case has no reason, or is none.
    """
    declared: Mapping[ContractCase, str] = getattr(agent, "contract_exceptions", {})
    for case, reason in declared.items():
        is_known = case in tuple(ContractCase)
        require(is_known and bool(str(reason).strip()), f"contract_exceptions names {case!r} for {reason!r}")
    return declared


def check_case(case: ContractCase, stage: Stage, *, workspace: Path) -> str:
    """Bring one case about and require what is promised in it, and that nothing is left behind.

    Args:
        case: the case.
        stage: brings it about.
        workspace: a folder that does not exist yet; its parent must be the test's own.

    Returns:
        Empty, or the reason why this agent is excepted from the case, which it declares itself.

    Raises:
        AssertionError: the promise is broken; the message says which, what was expected and what came instead.
    """
    agent = stage.make_agent()
    reason = exceptions_of(agent).get(case, "")
    if reason:
        return reason
    workspace.mkdir(parents=True)
    before = Leftovers.now()
    try:
        with stage.scene(case, workspace) as scene, living(lambda: agent):
            check_start(agent, {**scene.config, "workspace_dir": str(workspace)})
            _CASES[case](agent, scene)
            agent.cleanup()
        before.require_nothing_new()
    except AssertionError as error:
        raise AssertionError(f"{case}: it is promised that {PROMISES[case]}. {error}") from error
    return ""


def _answered(agent: AgentPlugin, scene: Scene, number: int, *, limits: TurnLimits | None = None) -> Reply:
    """Send prompt *number*, and require the words that it is known to be answered with."""
    reply = check_turn(agent, scene.prompts[number], what=f"send_prompt() number {number + 1}", limits=limits)
    if len(scene.words) > number:
        end = reply.text.strip()[-200:]
        require(end.endswith(scene.words[number]), f"the reply must end with {scene.words[number]!r}, not {end!r}")
    return reply


def _fails(agent: AgentPlugin, prompt: str, expected: ErrorTypes, **given: Any) -> None:
    must_raise(expected, "send_prompt()", lambda: agent.send_prompt(prompt, **given))


def _normal_turn(agent: AgentPlugin, scene: Scene) -> None:
    reply = _answered(agent, scene, 0)
    require(not reply.limit, f"a normal turn must not end at a limit; the reply says {reply.limit!r}")
    require(scene.is_done is None or scene.is_done(), "the work of the turn is not in the workspace")


def _second_turn(agent: AgentPlugin, scene: Scene) -> None:
    first, second = _answered(agent, scene, 0).session, _answered(agent, scene, 1).session
    require(bool(first) and first == second, f"both replies must name one session, not {first!r} and {second!r}")


def _refusal(agent: AgentPlugin, scene: Scene) -> None:
    _fails(agent, scene.prompts[0], (AgentUnavailable,))


def _permission_denied(agent: AgentPlugin, scene: Scene) -> None:
    try:
        reply = agent.send_prompt(scene.prompts[0])
    except AgentError:
        pass
    else:
        require(bool(reply.denials), f"Reply.denials must name what was denied; the reply is {reply!r}")
    require(scene.trespassed is None or not scene.trespassed(), "a file out of bounds was written")


def _limit(agent: AgentPlugin, scene: Scene) -> None:
    reply = check_turn(agent, scene.prompts[0], what="a turn beyond its limit", limits=scene.limits)
    require(bool(reply.limit), f"Reply.limit must name the limit; the reply is {reply!r}")
    for words in scene.words[:1]:
        is_whole = reply.text.strip().endswith(words)
        require(not is_whole, f"a turn that was cut at its limit cannot have come to its end, {words!r}")
    following = _answered(agent, scene, 1)
    require(
        following.session == reply.session,
        f"the turn after a limit must go on in session {reply.session!r}, not {following.session!r}",
    )


def _time_limit(agent: AgentPlugin, scene: Scene) -> None:
    limits = scene.limits
    with _in_time((limits.seconds or 0.0) + (limits.idle or 0.0)):
        _fails(agent, scene.prompts[0], (AgentTimeout,), limits=limits)


def _huge_output(agent: AgentPlugin, scene: Scene) -> None:
    reply = _answered(agent, scene, 0)
    require(len(reply.text) >= HUGE, f"the reply must have {HUGE} characters or more; it has {len(reply.text)}")


def _long_prompt(agent: AgentPlugin, scene: Scene) -> None:
    words = "begin " + "x" * LONG + " end"
    reply = check_turn(agent, words, what="a long prompt")
    require(bool(reply.text.strip()), "a long prompt must be answered")
    if scene.heard is not None:
        heard = scene.heard()
        require(words in heard, f"the model must be sent the whole prompt; it was sent {len(heard)} characters")


def _crash(agent: AgentPlugin, scene: Scene) -> None:
    with _in_time(0), Meanwhile(scene, scene.kill) as meanwhile:
        _fails(agent, scene.prompts[0], (AgentCrashed,), on_event=meanwhile.on_event)
    require_bool(agent.is_healthy, "is_healthy() after a crash", expected=True)


def _hang(agent: AgentPlugin, scene: Scene) -> None:
    with _in_time(scene.limits.idle or 0.0), Meanwhile(scene, scene.freeze) as meanwhile:
        _fails(agent, scene.prompts[0], (AgentTimeout,), limits=scene.limits, on_event=meanwhile.on_event)


def _resume_after_kill(agent: AgentPlugin, scene: Scene) -> None:
    before = _answered(agent, scene, 0).session
    with Meanwhile(scene, scene.kill) as meanwhile:
        _fails(agent, scene.prompts[1], (AgentCrashed,), on_event=meanwhile.on_event)
    after = check_turn(agent, scene.prompts[2], what="the turn after a kill").session
    require(bool(before) and after == before, f"the session must go on as {before!r}, not as {after!r}")


def _cancel(agent: AgentPlugin, scene: Scene) -> None:
    cancelling = Meanwhile(scene, agent.cleanup)
    with no_error(AGENT, "cleanup() from another thread"), _in_time(0), cancelling:
        _fails(agent, scene.prompts[0], AGENT, on_event=cancelling.on_event)
    require_bool(agent.is_healthy, "is_healthy() after a cancel", expected=False)


def _cleanup(agent: AgentPlugin, scene: Scene) -> None:
    _answered(agent, scene, 0)
    check_end(agent, scene.prompts[0])


@contextlib.contextmanager
def _in_time(seconds: float) -> Iterator[None]:
    begun = time.monotonic()
    yield
    took = time.monotonic() - begun
    most = seconds + _PATIENCE_SECONDS
    require(took < most, f"the turn must end soon after what ends it; it took {took:.1f} s, more than {most:g}")


_CASES: Mapping[ContractCase, Callable[[AgentPlugin, Scene], None]] = {
    ContractCase.NORMAL_TURN: _normal_turn,
    ContractCase.SECOND_TURN: _second_turn,
    ContractCase.REFUSAL: _refusal,
    ContractCase.PERMISSION_DENIED: _permission_denied,
    ContractCase.TURN_LIMIT: _limit,
    ContractCase.COST_LIMIT: _limit,
    ContractCase.WALL_CLOCK: _time_limit,
    ContractCase.IDLE: _time_limit,
    ContractCase.HUGE_OUTPUT: _huge_output,
    ContractCase.LONG_PROMPT: _long_prompt,
    ContractCase.CRASH: _crash,
    ContractCase.HANG: _hang,
    ContractCase.GARBAGE: _normal_turn,
    ContractCase.RESUME_AFTER_KILL: _resume_after_kill,
    ContractCase.CANCEL: _cancel,
    ContractCase.CLEANUP: _cleanup,
}
