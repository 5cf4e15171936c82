"""How pytest tells people about scenarios: closing table, text of a failure, Allure steps, files of the run.

Here belongs what shows a finished scenario inside a pytest run. Never here: running scenarios, judging them, or
the form of the files themselves (``obra.reports`` makes those). Start at ``terminal.py``.
"""
