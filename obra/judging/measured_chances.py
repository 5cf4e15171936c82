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
        "good, checked": ((65.0, 99.44), (100.0, 99.72)),
        "good, unchecked": ((0.0, 23.69), (25.0, 61.19)),
        "wrong, checked": ((40.0, 3.74), (50.0, 92.78), (60.0, 98.86)),
        "wrong, unchecked": ((15.0, 41.29), (20.0, 48.42), (55.0, 90.81)),
    },
}
