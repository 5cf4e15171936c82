"""A real OpenSSH server on loopback, with a port, keys and a configuration of its own, for agents over SSH."""

from __future__ import annotations

import contextlib
import getpass
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from obra.errors import AgentUnavailable

_START_SECONDS = 60.0
_PORTS = range(20_000, 32_000)
"""Below those that Linux gives to outgoing connections, of which one could take it while the server is stopped."""
_END_SECONDS = 5.0
_LOOK_SECONDS = 0.02
_FOLDERS = "/usr/sbin:/usr/local/sbin:/usr/bin"
CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
PidFile none
SetEnv PATH={path}
{further}
"""


NO_SERVER = "no OpenSSH server: /usr/sbin/sshd is missing; apt-get install openssh-server"


def sshd_here() -> str | None:
    """Return the path of the OpenSSH server, where it is installed; it need not run."""
    return shutil.which("sshd", path=_FOLDERS)


class SSHServer:
    """The server; its sessions can be cut, frozen and thawed, and it can be started again on the same port.

    Attributes:
        folder: its files: ``known``, ``other`` and ``empty`` are host key files, ``login`` a key that it accepts,
            ``stranger`` one that it does not.
    """

    def __init__(self, folder: Path, further: str = "") -> None:
        """Start it, with *further* lines in its configuration.

        Raises:
            AgentUnavailable: there is none here, or it does not start.
        """
        program = sshd_here()
        if program is None:
            raise AgentUnavailable(NO_SERVER)
        self.folder, self._program = folder, program
        folder.mkdir(exist_ok=True)
        for name in ("host", "login", "stranger"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        shutil.copy(folder / "login.pub", folder / "authorized")
        self.port = _free_port()
        path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
        text = CONFIG.format(port=self.port, folder=folder, path=path, further=further)
        (folder / "config").write_text(text)
        (folder / "known").write_text(f"[127.0.0.1]:{self.port} {(folder / 'host.pub').read_text()}")
        (folder / "other").write_text(f"[127.0.0.1]:{self.port} {(folder / 'stranger.pub').read_text()}")
        (folder / "empty").touch()
        if getpass.getuser() == "root":
            Path("/run/sshd").mkdir(exist_ok=True)  # where the package's service would make it
        self.start()

    @property
    def reach(self) -> dict[str, Any]:
        """The settings that reach it, as an agent over SSH takes them."""
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": getpass.getuser(),
            "key_file": str(self.folder / "login"),
            "known_hosts": str(self.folder / "known"),
        }

    @property
    def fingerprint(self) -> str:
        """Fingerprint of its host key."""
        told = subprocess.run(["ssh-keygen", "-lf", self.folder / "host.pub"], capture_output=True, check=True)
        return told.stdout.decode().split()[1]

    def start(self) -> None:
        """Listen.

        Raises:
            AgentUnavailable: it does not start.
        """
        command = [self._program, "-D", "-e", "-f", str(self.folder / "config")]
        with (self.folder / "log").open("ab") as log:
            before = log.tell()
            self._server = subprocess.Popen(command, stderr=log)
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end and self._server.poll() is None:
            # It says so itself; a connection to try it out would be a session, cut and counted with the others.
            if f" port {self.port}.".encode() in (self.folder / "log").read_bytes()[before:]:
                return
            time.sleep(_LOOK_SECONDS)
        self._server.kill()
        self._server.wait()
        said = (self.folder / "log").read_text()[-300:]
        raise AgentUnavailable(f"sshd does not listen within {_START_SECONDS:g} s: {said}")

    @property
    def is_listening(self) -> bool:
        """False once it was stopped, or ended by itself."""
        return self._server.poll() is None

    def sessions(self) -> list[psutil.Process]:
        """Its processes but for the one that listens: one or two for each connection."""
        if not self.is_listening:
            return []
        below = psutil.Process(self._server.pid).children(recursive=True)
        return [one for one in below if _name_of(one).startswith("sshd")]

    def signal_sessions(self, number: int) -> None:
        """Send a signal to all of them; what runs inside is left alone."""
        for one in self.sessions():
            with contextlib.suppress(psutil.NoSuchProcess):  # it ended by itself meanwhile
                one.send_signal(number)

    def cut(self) -> None:
        """End all connections as a broken network would."""
        self.signal_sessions(signal.SIGKILL)

    def stop(self) -> None:
        """Listen no more, and end all connections, also one that comes at this very moment."""
        ending = self.sessions()
        self.cut()
        psutil.wait_procs(ending, timeout=_END_SECONDS)  # it reaps them; once it is gone, nobody does
        if self.is_listening:  # whoever was cut may have come back meanwhile
            self._freeze()
            self.cut()
            self._server.kill()  # a polite signal would let it accept one more first
        self._server.wait()

    def _freeze(self) -> None:
        """Stop the listening process in place, so that it lets nobody in; a signal is not obeyed at once."""
        listening = psutil.Process(self._server.pid)
        listening.suspend()
        while listening.status() not in {psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE}:
            time.sleep(_LOOK_SECONDS / 10)


def _free_port() -> int:
    for port in random.sample(_PORTS, 100):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AgentUnavailable(f"no port of 100 between {_PORTS.start} and {_PORTS.stop} is free for an SSH server")


def _name_of(process: psutil.Process) -> str:
    """Name of a process; empty when it has ended."""
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""
