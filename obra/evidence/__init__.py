"""Evidence: the checks that Obra judges by.

Here belongs what looks at a workspace and says what it expected and what it saw. A check may read the workspace
but never changes it: whatever runs a program runs it in a private copy that is thrown away. What never belongs
here: opinions (``judging``), changes to files (``agents``), snapshots and diffs (``workspace``).

Start at :mod:`obra.evidence.collector`, then :mod:`obra.evidence.checks`; one file for each family of checks.
"""
