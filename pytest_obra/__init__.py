"""pytest_obra: YAML scenarios as pytest tests that prove whether Obra's verdicts were true.

Here belongs the pytest surface only: options, markers, collection, fixtures, and telling reporters. What a
scenario means lives in :mod:`obra.scenarios`. Start at ``plugin.py``.
"""

SUFFIX = ".obra.yaml"
"""How the names of scenario files end."""

PACKED = "obra_packed"
"""In the data of a report from an xdist worker: what :mod:`pytest_obra.wire` packed."""
