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
        "good, checked": ((65.0, 96.32),),
        "good, unchecked": ((0.0, 28.91), (25.0, 62.26)),
        "wrong, checked": ((40.0, 6.74), (50.0, 92.68), (60.0, 99.82)),
        "wrong, unchecked": ((15.0, 40.19), (20.0, 46.61), (55.0, 87.24)),
    },
}
