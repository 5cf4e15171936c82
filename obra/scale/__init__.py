"""Many workers: a queue of cases in a database, processes on any machine that take them, and their results.

Here belongs what one process must know of others on other machines: who lives, who has which case, what a case
needs to travel, and where what it made is kept. Never here: how a case is run (that is the same road as anywhere,
``obra/scenarios/``), or a verdict. DBOS is imported in ``dbos_queue.py`` and nowhere else, fsspec in
``artefacts.py``. Start with ``port.py``, then ``worker.py``.
"""
