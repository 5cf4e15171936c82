"""What repeated runs show, in numbers: rates with intervals, flips and their causes, gates, comparisons.

Here belongs arithmetic on the rows of :mod:`obra.reports.rows`: rows in, records out, each formula with its
source. Never here: files, clocks, random numbers, pytest, or the words and tables that people read. Broken
machinery is no verdict and counts into no rate; an unknown cost is unknown and never zero. Start at ``runs.py``.
"""
