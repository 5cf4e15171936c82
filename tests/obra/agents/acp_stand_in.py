"""A small agent that speaks ACP by the protocol's own library and does what the prompt says, as a word of code.

``say X``, ``edit PATH``, ``fetch``, ``hang``, ``chatter``, ``die``, ``fail``, ``refuse``, ``many N``,
``insist``; run as a program.
"""

# ruff: noqa: ARG002  # the signatures are the protocol's
from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import acp
from acp import schema


class StandIn:
    """Answers each prompt by its first word."""

    def __init__(self) -> None:
        self.cancelled = asyncio.Event()
        self.folder = Path()

    def on_connect(self, conn: Any) -> None:
        """Keep the way back."""
        self.client = conn

    async def initialize(self, protocol_version: int, **more: Any) -> acp.InitializeResponse:
        """Offer nothing but to load sessions."""
        info = schema.Implementation(name="stand-in", version="9")
        able = schema.AgentCapabilities(load_session=True)
        return acp.InitializeResponse(protocol_version=protocol_version, agent_info=info, agent_capabilities=able)

    async def new_session(self, cwd: str, **more: Any) -> acp.NewSessionResponse:
        """Open the one session."""
        self.folder = Path(cwd)
        return acp.NewSessionResponse(session_id="s-1")

    async def load_session(self, cwd: str, session_id: str, **more: Any) -> acp.LoadSessionResponse:
        """Go on with it, and tell what was said before, as the protocol wants it."""
        self.folder = Path(cwd)
        await self.tell(acp.update_agent_message_text("old words"), session_id)
        return acp.LoadSessionResponse()

    async def prompt(self, prompt: list[Any], session_id: str, **more: Any) -> acp.PromptResponse:
        """Do what the first word says."""
        self.cancelled.clear()
        verb, _, rest = prompt[0].text.partition(" ")
        reason = await getattr(self, f"do_{verb}")(rest)
        return acp.PromptResponse(stop_reason=reason or "end_turn")

    async def cancel(self, session_id: str, **more: Any) -> None:
        """End the turn."""
        self.cancelled.set()

    async def tell(self, update: Any, session_id: str = "s-1") -> None:
        """Send an update."""
        await self.client.session_update(session_id=session_id, update=update)

    async def do_say(self, rest: str) -> None:
        """Say it in two pieces, with the number of the process."""
        await self.tell(acp.update_agent_message_text(rest))
        await self.tell(acp.update_agent_message_text(f" ({os.getpid()})"))

    async def do_edit(self, rest: str) -> None:
        """Ask, and write the file when it is allowed."""
        await self.ask("edit", rest)

    async def do_fetch(self, rest: str) -> None:
        """Ask for something that policy does not allow."""
        await self.ask("fetch", rest)

    async def ask(self, kind: Any, rest: str) -> None:
        """Ask for a tool call, and say what came of it."""
        place = [schema.ToolCallLocation(path=rest)] if rest else None
        start = acp.start_tool_call("t-1", f"{kind} {rest}", kind=kind, locations=place, raw_input={"path": rest})
        await self.tell(start)
        options = [
            schema.PermissionOption(option_id=name, name=name, kind=name)
            for name in ("allow_always", "allow_once", "reject_once")
        ]
        call = schema.ToolCallUpdate(tool_call_id="t-1")
        answer = await self.client.request_permission(options=options, session_id="s-1", tool_call=call)
        chosen = getattr(answer.outcome, "option_id", "none")
        if chosen == "allow_once" and rest:
            (self.folder / rest).write_text("edited")
        await self.tell(acp.update_agent_message_text(chosen))

    async def do_many(self, rest: str) -> Any:
        """Call many tools, until it is cancelled."""
        for number in range(int(rest)):
            await self.tell(acp.start_tool_call(f"m-{number}", "look", kind="read"))
            await asyncio.sleep(0.01)
            if self.cancelled.is_set():
                return "cancelled"
        return None

    async def do_insist(self, rest: str) -> None:
        """Call many tools, whoever cancels."""
        for number in range(10_000):
            await self.tell(acp.start_tool_call(f"m-{number}", "look", kind="read"))
            await asyncio.sleep(0.01)

    async def do_hang(self, rest: str) -> Any:
        """Say nothing; obey a cancellation only when it is told to."""
        if rest == "obediently":
            await self.cancelled.wait()
            return "cancelled"
        await asyncio.sleep(600)
        return None

    async def do_chatter(self, rest: str) -> None:
        """Never stop to talk."""
        while True:
            await self.tell(acp.update_agent_message_text("bla"))
            await asyncio.sleep(0.02)

    async def do_die(self, rest: str) -> None:
        """End in the middle of the turn."""
        print("last words", file=sys.stderr, flush=True)  # noqa: T201  # it is a program
        os._exit(3)

    async def do_fail(self, rest: str) -> None:
        """Answer with an error."""
        raise acp.RequestError(-32603, rest)

    async def do_refuse(self, rest: str) -> Any:
        """Refuse, as the protocol can say it."""
        return "refusal"


if __name__ == "__main__":
    asyncio.run(acp.run_agent(StandIn()))
