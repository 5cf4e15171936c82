"""What is remembered: projects, tasks, attempts, decisions, breakpoints and events, in one database.

Here belongs everything that knows SQLAlchemy or SQL. Nothing here judges, prompts or runs anything. Others see
only :class:`obra.state.state_manager.StateManager` and the records of :mod:`obra.domain`; no row, connection or
session ever leaves this room. Start reading at ``state_manager.py``, then ``tables.py``.
"""
