"""What is told about runs that are over: one row for each scenario, and the files that are made of rows.

Here belongs pure formatting (``rows``, ``summary``, ``markdown``), the versions a run was made with, and the one
writer of files. Never here: pytest, Allure, the database, or any judgement; a row only repeats what was found.
Start at ``rows.py``: everything else reads what it makes.
"""
