"""Claude Code as it is driven headless: its settings, command line, environment, and what its results mean.

Nothing here starts or reads anything; the local and the SSH adapter share it. Which flags and which fields of a
``result`` count was measured with the real 2.1.330: exit code, ``subtype`` and ``is_error`` do not agree with each
other, so all are read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from obra.agents.settings import read_settings
from obra.domain import Reply, TurnLimits
from obra.errors import AgentCrashed, AgentError, AgentUnavailable
from obra.monitoring.event_lines import amount_of

OLDEST_VERSION = (2, 1, 214)
"""Older ones cut long output, lose the result or leave tool processes behind (the CLI's own change log)."""
INSTALL_HINT = "npm install -g @anthropic-ai/claude-code@2.1.330"
API_RETRIES = "3"
"""How often the CLI itself asks a failing model API again; its default of 10 means minutes."""

_WRITING_TOOLS = frozenset({"Edit", "MultiEdit", "NotebookEdit", "Write"})
_REFUSED = (401, 403)
_UNREACHABLE = re.compile(r"not logged in|/login|ECONN|ENOTFOUND|connection|unable to connect", re.IGNORECASE)
FOR_PEOPLE = ("AskUserQuestion", "EnterPlanMode", "ExitPlanMode")
"""Tools that wait for somebody at a screen; the CLI offers them as soon as it can ask for permissions."""
_BUDGET_GRAIN = 0.005  # dollars; budgets closer than this are the same one


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaudeCodeSettings:
    """The settings that ``initialize`` takes, for any way of reaching Claude Code. Times are seconds."""

    workspace_dir: str
    command: str = "claude"
    timeout_ready: float = 30
    timeout_response: float = 600
    timeout: float = 1800
    base_url: str | None = None
    api_key: str | None = None
    pass_environment: tuple[str, ...] = ()
    model: str | None = None
    permission_mode: str = "acceptEdits"
    allowed_tools: tuple[str, ...] = ("Bash", "Edit", "Glob", "Grep", "Read", "Write")
    max_turns: int = 50
    ask_about: tuple[str, ...] = ()
    """Tools that are asked about before each use, whatever else allows them."""
    sandbox: str = "none"
    """none or bubblewrap; only the local agent can be confined."""
    transport: str = "pipe"
    """pipe or terminal; only the local agent has a choice."""
    sandbox_network: Literal["host", "model"] = "host"
    """What a confined agent reaches: everything, or its model API alone."""

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> ClaudeCodeSettings:
        """Return the settings in *config*.

        Raises:
            ObraError: a key is unknown, or ``workspace_dir`` is missing.
        """
        return read_settings(cls, config, name="Claude Code")


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What can only be said when the process starts: another value means another process."""

    max_turns: int
    budget_usd: float | None = None

    def serves(self, settings: ClaudeCodeSettings, limits: TurnLimits, spent_usd: float) -> bool:
        """Tell whether a process started so, which has spent *spent_usd*, obeys *limits* in its next turn.

        ``--max-turns`` counts anew for each prompt, ``--max-budget-usd`` over the life of the process.
        """
        wanted = Launch.of(settings, limits)
        if self.max_turns != wanted.max_turns:
            return False
        if self.budget_usd is None or wanted.budget_usd is None:
            return self.budget_usd == wanted.budget_usd
        return abs(self.budget_usd - spent_usd - wanted.budget_usd) < _BUDGET_GRAIN

    @classmethod
    def of(cls, settings: ClaudeCodeSettings, limits: TurnLimits) -> Launch:
        """Return what a process must be told that is to obey *limits* in its first turn."""
        return cls(max_turns=limits.turns or settings.max_turns, budget_usd=limits.cost_usd)


def command_line(
    settings: ClaudeCodeSettings, launch: Launch, *, executable: str, session: Sequence[str] = ()
) -> list[str]:
    """Return the arguments that start a conversation over pipes; *session* are those of :func:`session_argument`.

    ``--setting-sources=`` keeps a ``.claude/settings.json`` in the workspace from running hooks and from moving
    the traffic elsewhere. Values follow ``=``, so that none can be taken for a flag.
    """
    tools = tools_to_name(settings)
    arguments = [
        executable,
        "-p",
        "--input-format=stream-json",
        "--output-format=stream-json",
        "--verbose",
        "--setting-sources=",
        "--strict-mcp-config",
        f"--permission-mode={settings.permission_mode}",
        "--permission-prompt-tool=stdio",
        f"--disallowedTools={','.join(FOR_PEOPLE)}",
        f"--max-turns={launch.max_turns}",
    ]
    if tools:
        arguments.append(f"--allowedTools={','.join(tools)}")
    if settings.ask_about:
        rules = {"permissions": {"ask": list(settings.ask_about)}}
        arguments.append(f"--settings={json.dumps(rules)}")
    if launch.budget_usd is not None:
        arguments.append(f"--max-budget-usd={max(launch.budget_usd, 0.01):.4f}")
    if settings.model:
        arguments.append(f"--model={settings.model}")
    return [*arguments, *session]


def session_argument(session: str, *, is_stored: bool) -> tuple[str, ...]:
    """Return what continues *session* where the CLI has it, and else begins one with that id.

    The id is ours to choose, so that it is known before the first prompt, and a process that comes after a
    ``kill -9`` can name it. The CLI refuses to begin one that it has.
    """
    return (f"--resume={session}" if is_stored else f"--session-id={session}",)


def tools_to_name(settings: ClaudeCodeSettings) -> tuple[str, ...]:
    """Return the tools that the command line allows by name.

    In ``acceptEdits`` mode those that write are not named: the mode allows them in the workspace, and naming them
    would allow them on the whole disk.
    """
    if settings.permission_mode != "acceptEdits":
        return settings.allowed_tools
    return tuple(tool for tool in settings.allowed_tools if tool not in _WRITING_TOOLS)


def environment_of(settings: ClaudeCodeSettings, home: str, passed: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that Claude Code needs beside PATH and a private HOME; they win over those.

    Every command that the agent runs sees them too. The configuration folder is a private one under *home*,
    unless the person's own HOME is among *passed*: then their login must be found where it is.

    Args:
        settings: the settings.
        home: private home folder.
        passed: the variables that ``pass_environment`` names, with their values; they win.
    """
    variables = {
        "CLAUDE_CONFIG_DIR": f"{home}/.claude",
        "CLAUDE_CODE_TMPDIR": f"{home}/tmp",  # noqa: S108  # in the private home, not the shared one
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_MAX_RETRIES": API_RETRIES,
        "DISABLE_AUTOUPDATER": "1",
    }
    if settings.base_url:
        variables["ANTHROPIC_BASE_URL"] = settings.base_url
    if settings.api_key:
        variables["ANTHROPIC_API_KEY"] = settings.api_key
    if "HOME" in passed:
        del variables["CLAUDE_CONFIG_DIR"]
    return {**variables, **passed}


def version_in(text: str) -> tuple[int, int, int] | None:
    """Return the version in the answer to ``--version`` (``2.1.330 (Claude Code)``), or ``None``."""
    match = re.search(r"^(\d+)\.(\d+)\.(\d+) \(Claude Code\)\s*$", text, re.MULTILINE)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def identity_of(version_text: str, command: str, *, key: str = "agent.local.command") -> str:
    """Return the name and version for reports, from the answer to ``--version``; *key* is where *command* is set.

    Raises:
        AgentUnavailable: it is no version, or one that is too old.
    """
    oldest = ".".join(map(str, OLDEST_VERSION))
    version = version_in(version_text)
    if version is None:
        raise AgentUnavailable(
            f"{command!r} does not answer --version as Claude Code does, but {version_text.strip()[:80]!r}; "
            f"set {key} to the real one, or install it: {INSTALL_HINT}"
        )
    found = ".".join(map(str, version))
    if version < OLDEST_VERSION:
        raise AgentUnavailable(
            f"{command!r} is Claude Code {found}; at least {oldest} is needed, since older ones lose output "
            f"and leave processes behind. Install a newer one: {INSTALL_HINT}"
        )
    return f"claude-code {found}"


def prompt_line(prompt: str) -> bytes:
    """Return the message that sends *prompt*, as words: a leading ``/`` would make it a command of the CLI."""
    prompt = f" {prompt}" if prompt.startswith("/") else prompt
    message = {"type": "user", "message": {"role": "user", "content": prompt}}
    return json.dumps(message).encode() + b"\n"


def failure_of(results: Sequence[Mapping[str, Any]], *, section: str = "agent.local") -> AgentError | None:
    """Return why the turn with these results did not end normally; ``None`` when it did, or ended at a limit.

    *section* is the part of the configuration whose keys the message names.
    """
    last = results[-1]
    subtype = str(last.get("subtype"))
    if subtype.startswith("error_max_"):
        return None
    if subtype == "success" and not last.get("is_error") and last.get("terminal_reason") in (None, "completed"):
        return None
    said = text_of(last) or subtype
    status = last.get("api_error_status")
    if last.get("terminal_reason") == "api_error":
        if status in _REFUSED or (status is None and _cannot_be_reached(last, said)):
            return AgentUnavailable(
                f"Claude Code cannot use its model API: {said} "
                f"Check {section}.base_url and the key, or pass the login on with {section}.pass_environment"
            )
        return AgentCrashed(f"the model API failed during the turn (status {status}): {said}")
    reason = f", {last['terminal_reason']}" if last.get("terminal_reason") else ""
    return AgentCrashed(f"Claude Code ended the turn with an error ({subtype}{reason}): {said}")


def reply_of(results: Sequence[Mapping[str, Any]], *, seconds: float, total_before_usd: float) -> Reply:
    """Return the reply that the results of one turn make.

    Args:
        results: all ``result`` messages of the turn; more than one when background work woke the agent again.
        seconds: how long the turn took.
        total_before_usd: ``total_cost_usd`` of the result before the turn, for versions that only tell the sum.
    """
    last = results[-1]
    subtype = str(last.get("subtype"))
    turns = [item["num_turns"] for item in results if isinstance(item.get("num_turns"), int)]
    denials = {
        str(denial.get("tool_use_id")): _denial(denial)
        for item in results
        for denial in item.get("permission_denials") or ()
        if isinstance(denial, Mapping)
    }
    return Reply(
        text=text_of(last),
        session=str(last.get("session_id", "")),
        seconds=seconds,
        turns=sum(turns) if turns else None,
        cost_usd=_cost(results, total_before_usd),
        tokens_in=_tokens(results, "input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"),
        tokens_out=_tokens(results, "output_tokens"),
        limit=subtype if subtype.startswith("error_max_") else "",
        denials=tuple(denials.values()),
    )


def text_of(result: Mapping[str, Any]) -> str:
    """Return what a result says: its ``result``, or its ``errors``."""
    if isinstance(result.get("result"), str):
        return str(result["result"])
    return "\n".join(str(error) for error in result.get("errors") or ())


def _cannot_be_reached(result: Mapping[str, Any], said: str) -> bool:
    """Tell a connection or login failure from other errors without a status; *said* is the CLI's own text."""
    if result.get("api_error") == "connection_failed":
        return True
    return bool(_UNREACHABLE.search(said))


def _cost(results: Sequence[Mapping[str, Any]], total_before: float) -> float | None:
    """Return the dollars of these results alone.

    The total is that of the session, as far as it was saved: a killed process leaves an older one behind. So the
    costs since the result before count, where the CLI tells them.
    """
    parts = [item.get("model_usage_since_last_result") for item in results]
    if all(isinstance(part, Mapping) for part in parts):
        usages = [usage for part in parts if isinstance(part, Mapping) for usage in part.values()]
        costs = [amount_of(usage.get("costUSD")) for usage in usages if isinstance(usage, Mapping)]
        return None if None in costs else round(sum(cost for cost in costs if cost is not None), 6)
    total = amount_of(results[-1].get("total_cost_usd"))
    if total is None:
        return None
    return round(total - total_before if total >= total_before else total, 6)


def _denial(denial: Mapping[str, Any]) -> str:
    given = denial.get("tool_input")
    given = given if isinstance(given, Mapping) else {}
    subject = next((str(given[key]) for key in ("file_path", "command", "url") if key in given), "")
    return f"{denial.get('tool_name')} {subject}".strip()


def _tokens(results: Sequence[Mapping[str, Any]], *names: str) -> int | None:
    usages = [item["usage"] for item in results if isinstance(item.get("usage"), Mapping)]
    counts = [usage[name] for usage in usages for name in names if isinstance(usage.get(name), int)]
    return sum(counts) if counts else None
