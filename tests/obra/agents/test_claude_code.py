"""What Claude Code is told and what its results mean, without starting it."""

from __future__ import annotations

import json

import pytest

from obra.agents.claude_code import (
    ClaudeCodeSettings,
    Launch,
    command_line,
    environment_of,
    failure_of,
    identity_of,
    prompt_line,
    reply_of,
    session_argument,
)
from obra.domain import TurnLimits
from obra.errors import AgentCrashed, AgentUnavailable, ObraError


def settings(**given) -> ClaudeCodeSettings:
    """Settings with a workspace."""
    return ClaudeCodeSettings.read({"workspace_dir": "/ws", **given})


def line(session: str = "", limits: TurnLimits | None = None, **given) -> list[str]:
    """The command line for these settings."""
    chosen = settings(**given)
    launch = Launch.of(chosen, limits or TurnLimits())
    named = session_argument(session, is_stored=True) if session else ()
    return command_line(chosen, launch, executable="/bin/claude", session=named)


def result(**given) -> dict:
    """A ``result`` message of a turn that ended well, changed by *given*."""
    usual = {
        "type": "result",
        "subtype": "success",
        "is_error": False,
        "terminal_reason": "completed",
        "result": "Done it.",
        "session_id": "s",
        "num_turns": 2,
        "total_cost_usd": 0.5,
        "usage": {
            "input_tokens": 10,
            "cache_creation_input_tokens": 200,
            "cache_read_input_tokens": 3000,
            "output_tokens": 7,
        },
        "permission_denials": [],
    }
    return {**usual, **given}


def test_workspace_settings_can_never_steer_the_agent():
    """Hooks, redirects and servers of the workspace are shut out in every command line."""
    for arguments in (line(), line(session="s", model="m", permission_mode="plan", allowed_tools=())):
        assert "--setting-sources=" in arguments
        assert "--strict-mcp-config" in arguments


def test_values_follow_the_flag_with_an_equals_sign():
    """A value that looks like a flag stays a value."""
    arguments = line(session="--evil", model="-x", permission_mode="--dangerously-skip-permissions")
    assert {"--resume=--evil", "--model=-x", "--permission-mode=--dangerously-skip-permissions"} <= set(arguments)
    assert session_argument("--evil", is_stored=False) == ("--session-id=--evil",)


def test_accept_edits_names_no_tool_that_writes():
    """Naming Write would allow it on the whole disk; the mode allows it in the workspace."""
    assert "--allowedTools=Bash,Glob,Grep,Read" in line()
    assert "--allowedTools=Write" in line(permission_mode="dontAsk", allowed_tools=["Write"])
    assert not [item for item in line(allowed_tools=("Edit", "Write")) if item.startswith("--allowedTools")]


def test_limits_become_flags():
    """Turns and dollars of a turn are told to the process, a budget never as nothing."""
    assert "--max-turns=50" in line()
    assert "--max-turns=7" in line(limits=TurnLimits(turns=7))
    assert "--max-budget-usd=0.5000" in line(limits=TurnLimits(cost_usd=0.5))
    assert "--max-budget-usd=0.0100" in line(limits=TurnLimits(cost_usd=0.0))
    assert not [item for item in line() if "budget" in item]


def test_a_process_serves_as_long_as_its_flags_fit():
    """Other turns, or another budget than what is left of the old one, need another process."""
    chosen = settings()
    launch = Launch.of(chosen, TurnLimits(turns=5, cost_usd=1.0))
    assert launch.serves(chosen, TurnLimits(turns=5, cost_usd=0.7), 0.3)
    assert not launch.serves(chosen, TurnLimits(turns=5, cost_usd=1.0), 0.3)
    assert not launch.serves(chosen, TurnLimits(turns=6, cost_usd=0.7), 0.3)
    assert not launch.serves(chosen, TurnLimits(turns=5), 0.3)
    assert Launch.of(chosen, TurnLimits()).serves(chosen, TurnLimits(seconds=3), 9.0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"comand": "x"}, "did you mean 'command'"),
        ({"zzz": 1}, "it may be one of: workspace_dir, command"),
        ({"workspace_dir": ""}, "no workspace_dir"),
        ({"allowed_tools": "Bash"}, "must be a list"),
    ],
)
def test_wrong_settings_are_refused(given: dict, message: str):
    """An unknown key names the nearest one, and a text is not taken for a list of letters."""
    with pytest.raises(ObraError, match=message):
        settings(**given)


def test_environment_is_private_unless_the_home_is_passed():
    """Without a home of the person the configuration is private; with it, theirs must be found."""
    private = environment_of(settings(base_url="http://127.0.0.1:1", api_key="k"), "/h", {})
    assert private["CLAUDE_CONFIG_DIR"] == "/h/.claude"
    assert (private["ANTHROPIC_BASE_URL"], private["ANTHROPIC_API_KEY"]) == ("http://127.0.0.1:1", "k")
    theirs = environment_of(settings(), "/h", {"HOME": "/home/her", "CLAUDE_CODE_MAX_RETRIES": "9"})
    assert "CLAUDE_CONFIG_DIR" not in theirs
    assert not [name for name in theirs if name.startswith("ANTHROPIC")]
    assert (theirs["HOME"], theirs["CLAUDE_CODE_MAX_RETRIES"]) == ("/home/her", "9")
    both = environment_of(settings(), "/h", {"HOME": "/home/her", "CLAUDE_CONFIG_DIR": "/c"})
    assert both["CLAUDE_CONFIG_DIR"] == "/c"


@pytest.mark.parametrize("prompt", ["/compact", "/usr/bin is a folder"])
def test_a_prompt_is_never_a_command_of_the_cli(prompt: str):
    """A leading slash would be run by the CLI instead of being sent to the model."""
    sent = json.loads(prompt_line(prompt))["message"]["content"]
    assert sent == f" {prompt}"


def test_a_prompt_is_one_line_whatever_it_holds():
    """Line ends, separators, quotes and lone surrogates travel inside one JSON line."""
    prompt = 'a\nb\r\u2028"\\\0é\ud800'
    data = prompt_line(prompt)
    assert data.count(b"\n") == 1
    assert json.loads(data)["message"]["content"] == prompt


@pytest.mark.parametrize(
    ("text", "found"), [("2.1.330 (Claude Code)\n", "2.1.330"), ("warn\n3.0.0 (Claude Code)", "3.0.0")]
)
def test_versions_that_will_do(text: str, found: str):
    """The version is named for reports, warnings around it or not."""
    assert identity_of(text, "claude") == f"claude-code {found}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2.1.213 (Claude Code)", r"is Claude Code 2\.1\.213; at least 2\.1\.214"),
        ("1.9.999 (Claude Code)", "npm install"),
        ("2.1.330", "does not answer --version as Claude Code does"),
        ("", "npm install"),
        ("\x00garbage", "garbage"),
    ],
)
def test_versions_that_will_not_do(text: str, message: str):
    """Too old, or no Claude Code at all: the message says what was found and how to get it."""
    with pytest.raises(AgentUnavailable, match=message):
        identity_of(text, "claude")


def test_a_normal_end_is_no_failure():
    """Only all signs of success together make one; versions that tell no reason are believed."""
    assert failure_of([result()]) is None
    assert failure_of([result(terminal_reason=None)]) is None
    assert failure_of([result(permission_denials=[{"tool_name": "Bash"}])]) is None


@pytest.mark.parametrize("subtype", ["error_max_turns", "error_max_budget_usd"])
def test_a_limit_is_a_reply_and_no_failure(subtype: str):
    """A turn that used up a limit is judged by its work, so it is a reply that names the limit."""
    ended = result(subtype=subtype, is_error=True, errors=["Reached it"], terminal_reason="x")
    del ended["result"]
    assert failure_of([ended]) is None
    reply = reply_of([ended], seconds=1, total_before_usd=0)
    assert (reply.limit, reply.text) == (subtype, "Reached it")


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"api_error_status": 401}, AgentUnavailable),
        ({"api_error_status": 403}, AgentUnavailable),
        ({"api_error_status": None, "result": "Not logged in · Please run /login"}, AgentUnavailable),
        (
            {"api_error_status": None, "result": "API Error: Unable to connect to API (ECONNREFUSED)"},
            AgentUnavailable,
        ),
        ({"api_error_status": None, "api_error": "connection_failed", "result": "?"}, AgentUnavailable),
        ({"api_error_status": 400}, AgentCrashed),
        ({"api_error_status": 404}, AgentCrashed),
        ({"api_error_status": 529}, AgentCrashed),
        ({"api_error_status": None, "result": "response exceeded the 32000 output token maximum"}, AgentCrashed),
    ],
)
def test_api_errors_that_say_success(given: dict, kind: type):
    """The CLI calls a failed API a success with ``is_error``; login and connection are the person's to mend."""
    ended = result(is_error=True, terminal_reason="api_error", **given)
    failure = failure_of([result(), ended])
    assert type(failure) is kind
    assert ended["result"] in str(failure)


@pytest.mark.parametrize(
    "given",
    [
        {"subtype": "error_during_execution", "is_error": True, "errors": ["aborted"], "result": None},
        {"is_error": True},
        {"terminal_reason": "aborted_tools"},
        {"subtype": "something_new"},
    ],
)
def test_any_other_sign_of_an_error_is_a_crash(given: dict):
    """What is not a plain success or a known limit is a failure that names what it saw."""
    failure = failure_of([result(**given)])
    assert isinstance(failure, AgentCrashed)
    assert str(given.get("subtype", "success")) in str(failure)


def test_the_cost_is_that_of_the_turn():
    """Where the CLI tells the costs since its last result, their sum over all models and results counts."""
    first = result(model_usage_since_last_result={"big": {"costUSD": 0.1}, "small": {"costUSD": 0.02}})
    second = result(model_usage_since_last_result={"big": {"costUSD": 0.3}}, total_cost_usd=9.0)
    reply = reply_of([first, second], seconds=1.5, total_before_usd=1.0)
    assert reply.cost_usd == pytest.approx(0.42)
    assert (reply.turns, reply.tokens_in, reply.tokens_out) == (4, 6420, 14)


@pytest.mark.parametrize(("before", "cost"), [(0.2, 0.3), (0.0, 0.5), (0.9, 0.5)])
def test_the_cost_of_a_cli_that_only_tells_a_sum(before: float, cost: float):
    """Then the sum before is taken away, unless the sum began anew in another process."""
    assert reply_of([result()], seconds=1, total_before_usd=before).cost_usd == pytest.approx(cost)


def test_unknown_numbers_are_unknown_and_not_zero():
    """A result without cost, turns or usage gives ``None`` for them."""
    bare = {"subtype": "success", "result": "x"}
    reply = reply_of([bare], seconds=1, total_before_usd=0)
    assert (reply.cost_usd, reply.turns, reply.tokens_in, reply.tokens_out) == (None, None, None, None)


@pytest.mark.parametrize("told", [float("nan"), float("-inf"), -0.5, 10**400, "0.5", True])
def test_a_cost_that_is_no_amount_is_unknown(told: object):
    """It must not make what is spent look less than it is, nor end the run."""
    assert reply_of([result(total_cost_usd=told)], seconds=1, total_before_usd=0).cost_usd is None
    parts = {"big": {"costUSD": 0.1}, "small": {"costUSD": told}}
    assert reply_of([result(model_usage_since_last_result=parts)], seconds=1, total_before_usd=0).cost_usd is None


def test_denials_are_named_once_each():
    """A denial that two results repeat is one; each says tool and subject."""
    denied = {"tool_name": "Write", "tool_use_id": "1", "tool_input": {"file_path": "/etc/x"}}
    other = {"tool_name": "WebFetch", "tool_use_id": "2", "tool_input": None}
    reply = reply_of(
        [result(permission_denials=[denied]), result(permission_denials=[denied, other, "odd"])],
        seconds=1,
        total_before_usd=0,
    )
    assert reply.denials == ("Write /etc/x", "WebFetch")
