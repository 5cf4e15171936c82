"""The check that runs a command line."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from obra.evidence.checks import Check, Finding, Model, ShortForm, failed, last_line, passed
from obra.evidence.patterns import Pattern, is_found
from obra.evidence.running import exit_words, run_in
from obra.evidence.scene import Scene


def _command_line(text: str) -> str:
    if not text.strip():
        raise ValueError("a command may not be empty")
    if "\0" in text:
        raise ValueError("a command may not have a null byte")
    return text


_SUCCESS = r"(?:/bin/|/usr/bin/)?true|:|exit\s+0"
_CANNOT_FAIL = re.compile(rf"\s*(?:(?:.*(?:\|\||;|\n))?\s*(?:{_SUCCESS})\s*;?|(?:#[^\n]*\s*)+)\s*", re.DOTALL)
"""A line that is nothing but ``true``, ``:``, ``exit 0`` or remarks, or that ends so behind ``||`` or ``;``."""
_MAY_LEAVE_EARLIER = re.compile(r"\bset\s+-\w*e|\bexit\s+[^0\s]|\bkill\b|\bexec\b|\bif\b|\bcase\b")
"""What can end a script of several commands before its last one; where it stands nothing is refused."""
_QUOTED = re.compile(r"\\.|'[^']*'|\"(?:\\.|[^\"\\])*\"", re.DOTALL)
_JOINT = re.compile(r"(?<![<>|&])\|(?![|&])|\|\||;|\n|(?<![<>&])&(?![&>])")
"""What stands between two commands of which the second one's exit code counts; ``&`` does not wait."""
_SAYS = re.compile(r"\s*(?:echo|printf)\b.*", re.DOTALL)
_FILTERS = re.compile(r"\s*(?:cat|tail|head|tee|sort|uniq|wc|less|more|cut|tr|nl|fold|column|sed|ts)\b[^`$]*")
"""Programs that end with 0 whatever they are given to read."""
_NEVER_RAN = re.compile(
    r"^\S*python\S*: (?:can't open file|No module named) .*|^(?:SyntaxError|IndentationError|TabError): .*",
    re.MULTILINE,
)
_KEEPS_FAILURE = re.compile(r"\bpipefail\b|\bPIPESTATUS\b")


def _hides_failure(line: str) -> bool:
    """Tell whether a line ends with 0 although what it is there for fails: ``tests | tail``, ``tests; echo x``."""
    plain = _QUOTED.sub("Q", line).strip()
    if "<<" in plain or _KEEPS_FAILURE.search(plain):
        return False
    *before, last = _JOINT.split(plain.rstrip(";"))
    if not last.strip():
        return plain.endswith("&")
    if not before:
        return False
    joint = [match.group() for match in _JOINT.finditer(plain.rstrip(";"))][-1]
    if joint == "|":
        return _FILTERS.fullmatch(last) is not None
    return joint != "&" and _SAYS.fullmatch(last) is not None and not _MAY_LEAVE_EARLIER.search(line)


class CommandSpec(Model):
    """A command line and how it must end."""

    run: Annotated[str, Field(strict=True), AfterValidator(_command_line)]
    """Line for /bin/sh; the current folder is a private copy of the workspace."""
    exit: Annotated[int, Field(strict=True, ge=0, le=255)] = 0
    """Exit code that is expected."""
    output: Annotated[str, Field(strict=True, min_length=1)] | None = None
    """Must stand in what the command prints, on either stream."""
    regex: Pattern | None = None
    """Must fit somewhere in what the command prints."""

    @model_validator(mode="after")
    def _can_fail(self) -> Self:
        is_bare = self.exit == 0 and self.output is None and self.regex is None
        never_fails = _CANNOT_FAIL.fullmatch(self.run) and not _MAY_LEAVE_EARLIER.search(self.run)
        if is_bare and (never_fails or _hides_failure(self.run)):
            raise ValueError(
                f"the command {self.run.strip()!r} ends with exit code 0 whatever the workspace holds, so the "
                f"check could never fail; leave the part out that hides a failure, or ask for 'output'"
            )
        return self


class CommandCheck(Check):
    """A command ends as it should."""

    kind: ClassVar[str] = "command"

    command: Annotated[CommandSpec, ShortForm("run")]
    """Command line, or mapping with run, exit, output, regex."""

    def describe(self) -> str:
        """Say which command must end how."""
        spec = self.command
        line = spec.run.strip() if spec.run.strip().isprintable() else repr(spec.run)
        wishes = [f"the command `{line}` ends with exit code {spec.exit}"]
        if spec.output is not None:
            wishes.append(f"prints {spec.output!r}")
        if spec.regex is not None:
            wishes.append(f"prints a match of the pattern {spec.regex!r}")
        return " and ".join(wishes)

    def look(self, scene: Scene) -> Finding:
        """Run it in a private copy and compare."""
        limit = self.limit(scene)
        with scene.scratch() as scratch:
            result = run_in(scratch, self.command.run, scene, limit)
        end = last_line(result.output)
        if result.timed_out:
            message = f"expected exit code {self.command.exit} within {limit:g} s, it was still running; {end}"
            return failed(message, result.output)
        if result.exit_code == self.command.exit != 0 and (why := self._never_ran(result.output)):
            return failed(f"expected a program that ends with {self.command.exit}; {why}", result.output)
        if result.exit_code != self.command.exit:
            got = exit_words(result.exit_code)
            return failed(f"expected exit code {self.command.exit}, got {got}; {end}", result.output)
        return self._judged(result.output, max(limit - result.seconds, 1.0))

    def _never_ran(self, output: str) -> str:
        """Return why Python could not even begin, where only an exit code was asked for: it is 1 or 2, too."""
        if self.command.output is not None or self.command.regex is not None:
            return ""
        found = _NEVER_RAN.search(output)
        return f"it never ran: {last_line(found.group())}" if found else ""

    def _judged(self, output: str, timeout: float) -> Finding:
        spec, end = self.command, last_line(output)
        if spec.output is not None and spec.output not in output:
            return failed(f"expected {spec.output!r} in the output, not found; {end}", output)
        try:
            if spec.regex is not None and not is_found(spec.regex, output.encode(), timeout):
                return failed(f"expected a match of {spec.regex!r} in the output, none found; {end}", output)
        except TimeoutError as reason:
            return failed(f"expected a match of {spec.regex!r} in the output; {reason}", output)
        return passed(f"exit code {spec.exit}; {end}", output)
