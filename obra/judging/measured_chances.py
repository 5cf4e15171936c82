"""How often verdicts were right, by points: written by a command, not by hand.

Made again by ``obra calibrate --out docs --chances obra/judging/measured_chances.py``; how good it is on attempts
that it was not fitted to stands in ``docs/calibration.md``.
"""

from __future__ import annotations

from collections.abc import Mapping

from obra.judging.chances import Steps

# fmt: off
CHANCES: Mapping[str, Mapping[str, Steps]] = {
    "": {
        "good, checked": ((65.0, 99.46), (100.0, 99.73)),
        "good, unchecked": ((0.0, 23.84), (25.0, 62.1)),
        "wrong, checked": ((40.0, 3.61), (50.0, 92.7), (60.0, 98.88)),
        "wrong, unchecked": ((15.0, 40.39), (20.0, 47.48), (55.0, 90.72)),
    },
}
