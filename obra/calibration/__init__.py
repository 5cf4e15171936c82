"""Calibration: how often the verdict is right, and what its numbers are worth.

Here belongs the labelled corpus (``corpus.py``), judging each attempt of it through the real loop under several
reviewers (``trial.py``), the statistics of that (``metrics.py``, ``isotonic.py``, ``words_alone.py``: pure) and
the report. Never here: rules of judgement, or anything that the loop needs to run. Start at ``measurement.py``.
"""
