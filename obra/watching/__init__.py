"""For people who watch: one screen that shows any run as it stands, and the same in a browser.

What belongs here: looking (``lookout.py`` reads the state database, the run's own files and the workspace, and
writes nothing), and showing (Textual, here and nowhere else). What never does: verdicts, SQL, changing a run but
by the calls that the command line has, too. Start with ``lookout.py``, then
``screen.py``; ``web.py`` is the browser's.
"""
