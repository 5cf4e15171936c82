"""For people at a terminal: the command ``obra``, one file for each noun or verb.

Here belongs what reads arguments, prints lines and chooses exit codes. Never here: a rule of judgement, SQL, or
work that a library user would miss. Every verb imports what is heavy inside its function, so that ``obra --help``
answers at once. Start at ``program.py``, then ``run.py``; ``failures.py`` holds the exit codes.
"""

from obra.cli.program import main

__all__ = ["main"]
