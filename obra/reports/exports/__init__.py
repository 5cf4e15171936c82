"""A run in the formats that other viewers read.

Here belongs one module for each format, pure: rows of :mod:`obra.reports.rows` in, plain JSON data out. Never:
files, or a number that is not in the rows; what is unknown is left out, never made up. Start at ``otlp.py``.
"""
