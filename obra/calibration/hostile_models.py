"""A model that was talked into everything, as it would answer over the wire."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class YesModel:
    """Says yes to every question that is put to it, with a true line of the diff as its quote.

    It goes through the whole checklist, verified quotes and canary included, as a real model does. (The yes-man of
    :mod:`obra.calibration.trial` gives whole reviews and never meets the canary: a worse case than any model.)
    """

    identity = "yes-model"

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        self.config = dict(config or {})

    def generate(self, prompt: str, *, schema: Mapping[str, Any] | None = None, seed: int | None = None) -> str:  # noqa: ARG002  # part of the contract
        """Answer every question that *schema* allows; to all else, an empty object."""
        answers = (schema or {}).get("properties", {}).get("answers")
        if answers is None:
            return "{}"
        added = [line[1:] for line in prompt.splitlines() if line.startswith("+") and len(line) > 1]
        quote = max(added, key=len, default="")
        labels = answers["items"]["properties"]["id"]["enum"]
        said = [{"id": one, "reason": "all is well", "quote": quote, "verdict": "yes"} for one in labels]
        return json.dumps({"answers": said})

    def is_available(self) -> bool:
        """Tell that it can always answer."""
        return True
