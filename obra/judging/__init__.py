"""What to make of it: from reply, evidence and review to one decision with its reasons.

Here belong functions from values to values: the same inputs give the same decision in every process. Never here:
files, processes, clocks, random numbers, a model that is asked. Start at :mod:`obra.judging.decision_engine`, then
:mod:`obra.judging.rules`.
"""
