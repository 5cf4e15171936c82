"""What of ours is on the other machine: a folder with the runner, and a marker on all that it starts."""

from __future__ import annotations

import importlib.resources
import io
import secrets
import shlex
import zipfile
from dataclasses import dataclass
from pathlib import PurePosixPath

from obra.agents.far_side.processes import RUN_ID
from obra.agents.ssh_connection import SSHConnection, quoted
from obra.agents.ssh_ownership import FILE as OWNER
from obra.agents.ssh_ownership import new_claim, owner_line, remove_dead
from obra.domain import Record
from obra.errors import AgentCrashed, AgentUnavailable

_PACKAGE = "obra.agents.far_side"
_MAIN = f"import sys\nfrom {_PACKAGE}.program import main\nsys.exit(main())\n"
_COMMAND_SECONDS = 30.0
_NO_PYTHON = 3
_TAKEN = 4
_TEMPORARY = "/tmp"  # noqa: S108  # mktemp makes a private folder in it
_NEEDED = "import os, sys; sys.exit(not (sys.version_info >= (3, 8) and os.path.exists('/proc/self/environ')))"


def packed_runner() -> bytes:
    """Return what is uploaded: a zip file that Python runs, with the modules of ``far_side``."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__main__.py", _MAIN)
        parts = _PACKAGE.split(".")
        for depth in range(1, len(parts)):
            archive.writestr("/".join([*parts[:depth], "__init__.py"]), "")
        for file in importlib.resources.files(_PACKAGE).iterdir():
            if file.name.endswith(".py"):
                archive.writestr("/".join([*parts, file.name]), file.read_bytes())
    return stream.getvalue()


@dataclass(frozen=True, slots=True, kw_only=True)
class FarSide(Record):
    """What of ours is on the other machine: the Python there, our folder, and the marker of our processes.

    ``claim`` stands in the owner's file for as long as no other Obra has taken the folder over.
    """

    python: str
    folder: str
    marker: str
    claim: str

    def upload(self, connection: SSHConnection) -> None:
        """Put the runner into the folder, and remove the folders of dead runs beside it.

        Raises:
            AgentUnavailable: it cannot be written there.
            AgentCrashed: the connection is lost.
        """
        code, output = connection.run(
            f"umask 077; cat > {quoted([self._file])}", data=packed_runner(), seconds=_COMMAND_SECONDS
        )
        if code != 0:
            raise AgentUnavailable(f"nothing can be written to {self.folder} there: {output.strip()}")
        base = str(PurePosixPath(self.folder).parent)
        remove_dead(connection, base, lambda marker: self.command("sweep", marker))

    def command(self, *words: str) -> str:
        """Return the line for the remote shell that gives the runner's program a command."""
        return quoted([self.python, "-E", "-s", self._file, *words])

    def guarded(self, command: str) -> str:
        """Return the line for the remote shell that does *command* only while the folder there is ours."""
        look = f"grep -qsF {quoted([self.claim])} {quoted([f'{self.folder}/{OWNER}'])}"
        refuse = f"echo another Obra has taken {quoted([self.folder])} over >&2; exit {_TAKEN}"
        return f"{look}; if [ $? -eq 1 ]; then {refuse}; fi; {command}"

    def remove(self, connection: SSHConnection) -> None:
        """Remove the folder there, unless another Obra has taken it over.

        Raises:
            AgentCrashed: the connection is lost.
        """
        folder = quoted([self.folder])
        if not self.folder:  # it was never made
            return
        connection.run(self.guarded(f"chmod -R u+rwX {folder}; rm -rf -- {folder}"), seconds=_COMMAND_SECONDS)

    def sweep(self, connection: SSHConnection) -> None:
        """End everything there that carries our marker, unless another Obra has taken it over.

        Raises:
            AgentCrashed: the connection is lost, or something does not end.
        """
        code, _ = connection.run(self.guarded(self.command("sweep", self.marker)), seconds=_COMMAND_SECONDS)
        if code not in (0, _TAKEN):
            raise AgentCrashed(f"processes with {RUN_ID}={self.marker} do not end; end them on that machine")

    def has_session(self, connection: SSHConnection, session: str) -> bool:
        """Tell whether Claude Code has written *session* down there, so that it can be resumed.

        Raises:
            AgentCrashed: the connection is lost.
        """
        name, home = shlex.quote(f"{session}.jsonl"), shlex.quote(f"{self.folder}/home")
        look = f'ls {home}/.claude/projects/*/{name} "$HOME"/.claude/projects/*/{name} 2>/dev/null | grep -q .'
        return connection.run(look, seconds=_COMMAND_SECONDS)[0] == 0

    @property
    def workspace(self) -> str:
        """Absolute path of the workspace there."""
        return f"{self.folder}/workspace"

    @property
    def _file(self) -> str:
        return f"{self.folder}/runner.pyz"


def make_folder(connection: SSHConnection, base: str, *, python: str, host: str) -> FarSide:
    """Make a private folder on the other machine, with ``home`` and ``workspace`` in it.

    Args:
        connection: the way there.
        base: folder to make it in; empty means its ``/tmp``.
        python: the Python there.
        host: name of the machine, for messages.

    Raises:
        AgentUnavailable: there is no such Python, the folder cannot be made, or the login shell talks.
    """
    base = base or _TEMPORARY
    look = f"{quoted([python, '-c', _NEEDED])} </dev/null || exit {_NO_PYTHON}"
    marker, claim = f"obra-{secrets.token_hex(8)}", new_claim()
    make = f'd=$(mktemp -d {quoted([base])}/obra-XXXXXXXX) && mkdir "$d/home" "$d/home/tmp" "$d/workspace"'
    make += f' && echo {quoted([owner_line(marker, claim)])} >"$d/{OWNER}"'
    code, output = connection.run(quoted(["sh", "-c", f'{look}; {make} && echo "$d"']), seconds=_COMMAND_SECONDS)
    if code == _NO_PYTHON:
        said = output.strip().rpartition("\n")[2]
        raise AgentUnavailable(
            f"{host} has no Python 3.8 or newer, on Linux, as {python!r} ({said or 'another one'}): "
            f"install python3 there, or set agent.ssh.python to where it is"
        )
    if code != 0:
        raise AgentUnavailable(f"no folder can be made in {base} on {host}: {output.strip()}")
    *noise, folder = output.strip().splitlines()
    if noise:
        connection.run(f"rm -rf -- {quoted([folder])}", seconds=_COMMAND_SECONDS)
        raise AgentUnavailable(
            f"the login shell on {host} prints something of its own ({noise[0][:80]!r}), which would be taken for "
            f"what a command says: let its start files print only in a terminal"
        )
    return FarSide(python=python, folder=folder, marker=marker, claim=claim)
