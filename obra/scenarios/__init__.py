"""A scenario is a task whose right ending is known: one YAML file, one run of the loop, one true or false verdict.

Here belongs the form of the file, running it, and comparing what Obra said with what the workspace really does.
Never here: pytest (``pytest_obra`` wraps this room) or rules of judgement. Start at ``scenario.py``.
"""
