"""The control protocol of Claude Code: what the CLI asks in the middle of a turn, and our answers.

Both sides send ``control_request`` lines and answer with ``control_response``. Measured with the real 2.1.330:
it waits for an answer to ``can_use_tool`` as long as that takes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from obra.domain import PermissionAnswer, PermissionRequest

_SUBJECT_KEYS = ("command", "file_path", "notebook_path", "url", "path", "pattern", "query", "description")


def interrupt_line() -> bytes:
    """Return the message that breaks off the turn; the session lives on."""
    request = {"type": "control_request", "request_id": "obra-interrupt", "request": {"subtype": "interrupt"}}
    return json.dumps(request).encode() + b"\n"


def initialize_line() -> bytes:
    """Return the message that opens the control protocol: the first one that a new process gets."""
    request = {"type": "control_request", "request_id": "obra-initialize", "request": {"subtype": "initialize"}}
    return json.dumps(request).encode() + b"\n"


def permission_request(message: Mapping[str, Any]) -> PermissionRequest | None:
    """Return what a ``control_request`` asks permission for; ``None`` when it asks for something else."""
    request = message.get("request")
    if not isinstance(request, Mapping) or request.get("subtype") != "can_use_tool":
        return None
    given = request.get("input")
    given = given if isinstance(given, Mapping) else {}
    return PermissionRequest(
        tool=str(request.get("tool_name", "")),
        subject=next((str(given[key]) for key in _SUBJECT_KEYS if key in given), ""),
        input=given,
        reason=str(request.get("decision_reason") or request.get("decision_reason_type") or ""),
        id=str(message.get("request_id", "")),
    )


def permission_line(message: Mapping[str, Any], request: PermissionRequest, answer: PermissionAnswer) -> bytes:
    """Return the message that answers *request*, which came in *message*."""
    if answer.allowed:
        said: dict[str, Any] = {"behavior": "allow", "updatedInput": dict(request.input)}
    else:
        said = {"behavior": "deny", "message": answer.reason or "This is not permitted."}
    return _response_line(message, {"subtype": "success", "response": said})


def refusal_line(message: Mapping[str, Any]) -> bytes:
    """Return the message that answers a ``control_request`` of a kind that is not served here."""
    return _response_line(message, {"subtype": "error", "error": "this control request is not served here"})


def _response_line(message: Mapping[str, Any], response: Mapping[str, Any]) -> bytes:
    told = {**response, "request_id": message.get("request_id")}
    return json.dumps({"type": "control_response", "response": told}).encode() + b"\n"
