"""ScriptedLLM: a reviewer that says what it was told to say, turn by turn."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from obra.errors import ScriptExhausted

YES_FROM = 70
"""A scripted turn with a score and no verdict means yes from this score up, as ``validation.quality`` does."""

_NO_SCRIPT_TEXT = "Hello. I have no script, so I have no opinion."
_NO_SCRIPT_REVIEW = {
    "reason": "no reviewer script was given",
    "verdict": "unsure",
    "score": 50,
    "issues": [],
    "question": "",
}


class ScriptedLLM:
    """Plays ``config["script"]``: each turn a mapping (a review) or a text that is returned as it stands.

    It begins behind the first ``config["played"]`` turns.

    Without a script it is unsure of everything, which neither blocks nor supports any attempt. With one, it
    raises :class:`~obra.errors.ScriptExhausted` when it is asked for more answers than the script has. A turn may
    have a ``control``: the verdict on a broken copy of the work; without, it says of the copy what it said before.
    """

    identity = "scripted"
    answers_whole_reviews = True
    """It is a script and no model: it answers a whole review at once, not question by question."""

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        script: Sequence[Any] | None = (config or {}).get("script")
        self._script = None if script is None else tuple(script)
        self._has_its_own = script is not None
        self._turn: int = (config or {}).get("played", 0) if script is not None else 0

    def rehearse(self, script: Sequence[Mapping[str, Any] | str] | None, *, played: int) -> None:
        """Play *script*, which stands with the task, from turn *played* on; a script of its own goes before it."""
        if not self._has_its_own:
            self._script = None if script is None else tuple(script)
            self._turn = played

    def generate(
        self,
        prompt: str,  # noqa: ARG002  # part of the contract; a script does not read
        *,
        schema: Mapping[str, Any] | None = None,
        seed: int | None = None,  # noqa: ARG002  # nothing is sampled
    ) -> str:
        """Return the next scripted answer; a review comes as JSON with every key of the review schema.

        Raises:
            ScriptExhausted: every turn has been played.
        """
        if (schema or {}).get("title") == "control":
            return self._of_copy()
        if self._script is None:
            return json.dumps(_NO_SCRIPT_REVIEW) if schema else _NO_SCRIPT_TEXT
        if self._turn >= len(self._script):
            raise ScriptExhausted(
                f"the reviewer's script has {len(self._script)} turn(s) and a question number {self._turn + 1} "
                f"came; add a turn to 'reviewer:', or see why the attempt before was not accepted"
            )
        turn = self._script[self._turn]
        self._turn += 1
        return turn if isinstance(turn, str) else json.dumps(_review(turn))

    def _of_copy(self) -> str:
        """Return what the turn that was played last says of a broken copy of the work; no turn is used up."""
        turn = self._script[self._turn - 1] if self._script and self._turn else _NO_SCRIPT_REVIEW
        if isinstance(turn, str):
            return turn
        return json.dumps(_review({**turn, "verdict": turn.get("control") or turn.get("verdict")}))

    def is_available(self) -> bool:
        """Tell that it can always answer."""
        return True


def _review(turn: Mapping[str, Any]) -> dict[str, Any]:
    score = turn.get("score", 0)
    verdict = turn.get("verdict") or ("yes" if score >= YES_FROM else "no")
    return {
        "reason": turn.get("reason", "scripted"),
        "verdict": verdict,
        "score": score,
        "issues": list(turn.get("issues", ())),
        "question": turn.get("question", ""),
    }
