"""Every error Obra raises on purpose.

    ObraError                    anything below; escaping from a run it means: the machinery broke
    +-- ConfigError              a setting: wrong file, key or value
    +-- ScenarioError            a scenario file: wrong key or value, with file and line
    +-- PluginError              no such agent or LLM; lists the known names
    +-- PrerequisiteError        something needed is not on this machine; lists all that is missing
    +-- AgentError               the agent's side
    |   +-- AgentUnavailable     it cannot be started: not found, too old, not logged in
    |   +-- AgentTimeout         a time limit passed: start, silence or whole turn
    |   +-- AgentCrashed         it ended or spoke nonsense before the turn was complete
    |   +-- ScriptExhausted      a scripted agent or LLM was asked for more than it was given
    +-- LLMError                 the reviewer's side
    |   +-- LLMUnavailable       no server, or the server refused
    |   +-- LLMTimeout           no answer within the limit
    |   +-- LLMProtocolError     an answer that is not what the protocol promises
    |   +-- ModelMissing         the server does not have that model
    +-- StateError               the database
    |   +-- NotFound             no project, task, attempt or breakpoint with that id
    |   +-- IllegalStatus        a status change that is not allowed
    |   +-- TaskBusy             another live process is working on that task
    +-- WorkspaceError           a workspace cannot be prepared, read or restored
    |   +-- FolderBusy           another task is at work in that folder
    +-- CheckError               a check itself broke; that is not a failed check
    +-- ReportError              the files about a run cannot be written
    +-- TaskStopped              a person stopped the run from elsewhere; it can be resumed
    +-- ScaleError               the queue, its workers, or what they hand on to each other
    |   +-- LeaseLost            another worker has that case now, and what comes late is refused
    |   +-- RemoteRunFailed      a worker's machinery broke, or no worker took the case

Every message says what happened, with which value, and what to do next.
"""

from __future__ import annotations


class ObraError(Exception):
    """Base of every error that Obra raises on purpose."""


class ConfigError(ObraError):
    """A setting is wrong; the message names the file and line, the key and what was expected."""


class ScenarioError(ObraError):
    """A scenario file is wrong; the message names file, line, key and what was expected."""


class PluginError(ObraError):
    """No agent or LLM has that name; the message lists the known ones."""


class PrerequisiteError(ObraError):
    """Something needed is not on this machine.

    Attributes:
        missing: one sentence for each missing thing, each with how to get it.
    """

    def __init__(self, missing: list[str] | tuple[str, ...]) -> None:
        """Keep the list and write one message from it."""
        self.missing = tuple(missing)
        lines = "\n".join(f"  - {item}" for item in self.missing)
        super().__init__(f"{len(self.missing)} thing(s) needed for this run are missing:\n{lines}")


class AgentError(ObraError):
    """The agent's side failed."""


class AgentUnavailable(AgentError):
    """The agent cannot be started: not found, too old or not logged in."""


class AgentTimeout(AgentError):
    """A time limit of a turn passed: start, silence or wall clock."""


class AgentCrashed(AgentError):
    """The agent ended, or spoke nonsense, before the turn was complete."""


class ScriptExhausted(AgentError):
    """A scripted agent or LLM was asked for more turns than its script has."""


class LLMError(ObraError):
    """The reviewer's side failed."""


class LLMUnavailable(LLMError):
    """No server answered, or it refused."""


class LLMTimeout(LLMError):
    """The server did not answer within the limit."""


class LLMProtocolError(LLMError):
    """The server's answer is not what its protocol promises."""


class ModelMissing(LLMError):
    """The server does not have the model that the configuration names."""


class StateError(ObraError):
    """The database could not be opened, read or written."""


class NotFound(StateError):
    """No project, task, attempt or breakpoint has that id."""


class IllegalStatus(StateError):
    """A status change that the table of legal changes does not allow."""


class TaskBusy(StateError):
    """Another live process is working on that task."""


class WorkspaceError(ObraError):
    """A workspace cannot be prepared, read or restored."""


class FolderBusy(WorkspaceError):
    """Another task is at work in that folder."""


class CheckError(ObraError):
    """A check itself broke; this is never counted as a failed check."""


class ReportError(ObraError):
    """The files about a run cannot be written."""


class TaskStopped(ObraError):
    """A person stopped the run, perhaps from another terminal; the task is interrupted and can be resumed."""


class ScaleError(ObraError):
    """The queue cannot be used, or workers do not find what they hand on to each other."""


class LeaseLost(ScaleError):
    """A worker was not heard of for too long, or its case was cancelled: what it brings late is refused."""


class RemoteRunFailed(ScaleError):
    """A case came to no verdict on its worker, was cancelled, or was taken by nobody."""
