"""Which machines' keys are pinned, as a file of known hosts says."""

from __future__ import annotations

from pathlib import Path


def is_known(name: str, file: Path) -> bool:
    """Tell whether *file* has a key for *name*, hashed or not; a file that cannot be read knows nobody.

    Args:
        name: a host, or ``[host]:port`` where the port is not 22.
        file: in the format of OpenSSH's ``known_hosts``.
    """
    try:
        import paramiko
    except ImportError:  # the row about paramiko says what to install
        return False
    keys = paramiko.HostKeys()
    try:
        keys.load(str(file))
    except (OSError, paramiko.SSHException):
        return False
    return bool(keys.lookup(name))
