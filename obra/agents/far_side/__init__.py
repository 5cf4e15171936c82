"""What runs on the other machine: the runner that keeps an agent through lost links, and what talks to it there.

Here belongs what is uploaded; the modules are packed into one zip file and started with the Python found there,
so they use the standard library of Python 3.8 and nothing of Obra. Nothing here may import from another room.
Start at ``program.py``, its commands; ``runner.py`` is the process that stays, ``attachment.py`` the one for each
link.
"""
