"""How often verdicts were right, by points: written by a command, not by hand."""

from __future__ import annotations

from collections.abc import Mapping

from obra.judging.chances import Steps

CHANCES: Mapping[str, Mapping[str, Steps]] = {}
