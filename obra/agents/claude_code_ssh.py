"""ClaudeCodeSSHAgent: the real Claude Code on another machine; the workspace travels there and back each turn."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from obra.agents.claude_code import Launch, command_line, session_argument
from obra.agents.claude_code_session import ClaudeCodeSession
from obra.agents.conversation import NOBODY_TO_ASK
from obra.agents.kept_session import GONE
from obra.agents.ssh_adoption import FoundRun, find_run, take_over
from obra.agents.ssh_clock import RemoteClock
from obra.agents.ssh_connection import SSHConnection
from obra.agents.ssh_far_side import FarSide, make_folder
from obra.agents.ssh_link import SSHLink
from obra.agents.ssh_program import RemoteProgram, start_program
from obra.agents.ssh_settings import ClaudeCodeSSHSettings, environment_there, find_program, log_in
from obra.agents.ssh_tunnel import ReverseTunnel
from obra.agents.ssh_workspace import fetch_workspace, send_workspace
from obra.domain import PermissionAnswer, PermissionRequest, Reply, TurnLimits
from obra.errors import AgentCrashed, AgentError, AgentTimeout, AgentUnavailable
from obra.events import AgentEventSink
from obra.plugins import LeftBehind, PermissionDecider, TakenUp

_COMMAND_SECONDS = 30.0
_BASE_URL = "ANTHROPIC_BASE_URL"


class ClaudeCodeSSHAgent:
    """Claude Code on another machine, in a private folder there that is removed afterwards.

    A runner, uploaded and started there apart from any connection, starts the program, writes down what it prints
    and hands it what we send. So a connection that breaks, freezes or is restarted in the middle of a turn is only
    logged in again, for at most ``lease`` seconds, and the turn goes on where it was; no prompt is sent twice.
    When nothing is heard for ``lease`` seconds, of us or of one that has taken over (:meth:`take_up`), the runner
    ends the program and everything it started.

    Before each turn the workspace is sent whole and after it fetched whole, also after one that failed; what is
    there after the turn replaces the local content, symlinks and modes included.

    Without ``base_url`` and ``api_key`` it uses the login of the remote user in their HOME. With them its HOME is
    private. ``pass_environment`` names variables of the *remote* login; a ``base_url`` must be reachable there,
    unless ``tunnel`` leads to it. The other machine needs a POSIX shell, tar, Python 3.8 or newer, and /proc.
    """

    def __init__(self) -> None:
        self._settings: ClaudeCodeSSHSettings | None = None
        self._link: SSHLink | None = None
        self._session: ClaudeCodeSession | None = None
        self._tunnel: ReverseTunnel | None = None
        self._clock = RemoteClock()
        self._far = FarSide(python="", folder="", marker="", claim="")
        self._prompts = 0
        self._may_be_stored = False
        self.prompts_before = 0
        self._executable = ""
        self._identity = "claude-code"
        self.on_permission: PermissionDecider | None = None

    @property
    def identity(self) -> str:
        """Name, version and host, such as ``claude-code 2.1.330 on build-1``; after :meth:`initialize`."""
        return self._identity

    @property
    def remote_workspace(self) -> str:
        """Absolute path of the workspace on the other machine; after :meth:`initialize`."""
        return self._far.workspace

    @property
    def reconnects(self) -> int:
        """How often the link came back under the program that runs now, or ran last."""
        program = self._clock.program
        return program.wire.reconnects if program else 0

    def initialize(self, config: Mapping[str, Any]) -> None:
        """Take the settings of :class:`ClaudeCodeSSHSettings`, log in, make the folder, ask for the version.

        Raises:
            AgentUnavailable: the machine, the login or the program is not there, or it is too old.
            ObraError: a setting is unknown.
        """
        settings = ClaudeCodeSSHSettings.read(config)
        assert isinstance(settings, ClaudeCodeSSHSettings)  # noqa: S101  # read makes its own class; tells mypy so
        self.cleanup()
        if not settings.host:
            raise AgentUnavailable("no machine to log in to; set agent.ssh.host")
        self._prompts = self.prompts_before = 0
        self._may_be_stored = False
        self._link = SSHLink(lambda: log_in(settings), settings.lease)
        self._settings = settings
        try:
            self._prepare(settings, self._link.connection)
            if settings.tunnel:
                self._tunnel = ReverseTunnel(settings.base_url or "")
                self._tunnel.port_on(self._link.connection)
        except AgentError as error:
            self._give_up(error)
        self._session = ClaudeCodeSession(settings, self._start, section="agent.ssh")

    def is_healthy(self) -> bool:
        """Tell whether the connection is alive and the local workspace is there."""
        return (
            self._session is not None
            and self._settings is not None
            and Path(self._settings.workspace_dir).is_dir()
            and self._link is not None
            and self._link.connection.is_alive()
        )

    def send_prompt(
        self, prompt: str, *, limits: TurnLimits | None = None, on_event: AgentEventSink | None = None
    ) -> Reply:
        """Send the workspace, run one turn, and fetch the workspace.

        Raises:
            AgentError: as the local agent; AgentCrashed also when the connection was lost and did not come back,
                and when another thread has called :meth:`cleanup`.
        """
        settings, session, link = self._opened()
        limits = limits or TurnLimits()
        local = Path(settings.workspace_dir)
        link.do(lambda connection: send_workspace(connection, self._far, local))
        with self._clock.turn(settings.clock(limits), self._prompts + 1):
            return self._finished(lambda: session.send(prompt, limits, on_event))

    @property
    def handle(self) -> str:
        """Machine, folder and marker there, the session, and how many prompts it has had; see :meth:`take_up`."""
        if self._session is None or self._settings is None:
            return ""
        where = {"place": self._settings.place, "folder": self._far.folder, "marker": self._far.marker}
        return json.dumps({**where, "session": self._session.id, "prompts": self._prompts})

    def take_up(self, left: LeftBehind, on_event: AgentEventSink | None = None) -> TakenUp:
        """Take over what the Obra before has left there; its turn is adopted within the lease.

        The runner, its program and its files live on for that long. All that was printed since the turn began is
        read, and the turn goes on. Else what still runs there is ended, and the session is there for a day.
        """
        settings, session, link = self._opened()
        told = json.loads(left.handle)
        if told["place"] != settings.place:
            return TakenUp(why=f"the old one is at {told['place']}")
        far = link.do(lambda there: take_over(there, told["folder"], told["marker"], python=settings.python))
        if far is None:
            return TakenUp(why=GONE)
        link.do(self._far.remove)
        self._far, session.id, self._prompts = far, told["session"], told["prompts"]
        self._may_be_stored = True
        found = link.do(lambda there: find_run(there, far)) if left.in_turn else None
        if found is not None and found.has_prompt(self._prompts + 1):
            try:
                return TakenUp(reply=self._adopt(found, left.limits, on_event), session=session.id)
            except (AgentCrashed, AgentTimeout):
                if found.lives:
                    raise
        link.do(far.sweep)
        self.prompts_before = 0
        if left.may_resume:
            is_stored = link.do(lambda there: far.has_session(there, session.id))
            return TakenUp(session=session.id) if is_stored else TakenUp(why=GONE)
        session.renew()
        self._prompts = 0
        return TakenUp()

    def _adopt(self, found: FoundRun, limits: TurnLimits, on_event: AgentEventSink | None) -> Reply:
        """Read the turn in *found* from its beginning, and let it go on."""
        settings, session, link = self._opened()
        self.prompts_before = self._prompts
        program = RemoteProgram(
            link, self._far, found.folder, lease=settings.lease, tunnel=self._tunnel, found=found
        )
        with self._clock.adopted(program, settings.clock(limits)):
            return self._finished(
                lambda: session.go_on(
                    program, skip=found.begins_at, answered=found.answered(), limits=limits, on_event=on_event
                )
            )

    def _finished(self, turn: Callable[[], Reply]) -> Reply:
        """Let *turn* come to its end and fetch the workspace, also after one that failed."""
        settings, session, link = self._opened()
        local = Path(settings.workspace_dir)
        session.on_permission = self._decide
        try:
            reply = turn()
        except (AgentCrashed, AgentTimeout) as error:
            if self._session is not session:
                raise AgentCrashed(f"the agent was cleaned up in the middle of its turn ({error})") from error
            if link.connection.is_alive():  # what a broken turn has done counts too
                fetch_workspace(link.connection, self._far, local)
            raise
        finally:
            self._prompts += 1
        link.do(lambda connection: fetch_workspace(connection, self._far, local))
        return reply

    def _opened(self) -> tuple[ClaudeCodeSSHSettings, ClaudeCodeSession, SSHLink]:
        if self._settings is None or self._session is None or self._link is None:
            raise AgentUnavailable("the agent is not initialized; call initialize() first")
        return self._settings, self._session, self._link

    def read_text(self, path: str) -> str | None:
        """Return the text of the file at an absolute *path* on the other machine; ``None`` when there is none.

        Raises:
            AgentCrashed: the connection is lost.
        """
        if self._link is None:
            return None
        file = shlex.quote(path)
        command = f"[ -f {file} ] && exec cat -- {file}"
        code, text = self._link.do(lambda connection: connection.run(command, seconds=_COMMAND_SECONDS))
        return text if code == 0 else None

    def cleanup(self) -> None:
        """End what runs there, remove the folder there and log out; safe to call twice, and from another thread.

        Raises:
            AgentError: the machine cannot be reached any more; the message says what may be left there.
        """
        settings, self._settings = self._settings, None
        session, self._session = self._session, None
        link, self._link = self._link, None
        tunnel, self._tunnel = self._tunnel, None
        self._clock = RemoteClock()
        if link is None or settings is None:
            return
        try:
            if session is not None:
                session.close()
            link.do(self._far.remove, patience=0)
        except AgentError as error:
            left = (
                f"the folder {self._far.folder} may be left on {settings.host}, and for {settings.lease:g} s "
                f"processes with OBRA_RUN_ID={self._far.marker}"
            )
            raise type(error)(f"{error}; {left}") from error
        finally:
            if tunnel is not None:
                tunnel.close()
            link.close()

    def _give_up(self, error: AgentError) -> NoReturn:
        try:
            self.cleanup()
        except AgentError as left:
            raise AgentUnavailable(f"{error} ({left})") from error
        raise AgentUnavailable(str(error)) from error

    def _prepare(self, settings: ClaudeCodeSSHSettings, connection: SSHConnection) -> None:
        self._far = make_folder(connection, settings.remote_dir, python=settings.python, host=settings.host)
        self._far.upload(connection)
        self._executable, self._identity = find_program(settings, connection)

    def _start(self, launch: Launch, session: str) -> RemoteProgram:
        settings, link = self._settings, self._link
        if settings is None or link is None:
            raise AgentCrashed("the agent was cleaned up before its turn began")
        variables, keep = environment_there(settings, f"{self._far.folder}/home")
        is_stored = self._may_be_stored and link.do(lambda connection: self._far.has_session(connection, session))
        self._may_be_stored = True
        program = start_program(
            link,
            self._far,
            command_line(
                settings,
                launch,
                executable=self._executable,
                session=session_argument(session, is_stored=is_stored),
            ),
            cwd=self.remote_workspace,
            environment=variables,
            keep=keep,
            lease=settings.lease,
            tunnel=(_BASE_URL, self._tunnel) if self._tunnel else None,
        )
        self._clock.use(program)
        return program

    def _decide(self, request: PermissionRequest) -> PermissionAnswer:
        """Let the loop decide, while the clocks of the runner stand still."""
        if self.on_permission is None:
            return NOBODY_TO_ASK
        with self._clock.paused():
            return self.on_permission(request)
