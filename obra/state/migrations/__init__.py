"""How a database of an older Obra becomes one of this Obra, and back, step by step, with Alembic.

Here belong ``env.py``, which Alembic runs, and one file for each step in ``versions/``; never a query of the
product. Start with the newest file in ``versions/``. To change the tables: change :mod:`obra.state.tables`, raise
``SCHEMA_VERSION`` there, add ``versions/vNNNN_what.py`` with that number as ``revision`` and the one before as
``down_revision``, and write both ways. The tests compare what the steps make with what the tables say, on SQLite
and PostgreSQL. A step never imports :mod:`obra.state.tables`: it must do tomorrow what it did today.
"""
