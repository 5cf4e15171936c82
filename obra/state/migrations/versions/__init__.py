"""One file for each change of the tables, in the order of their numbers. Start with the highest one.

How to add one stands in :mod:`obra.state.migrations`. What does not belong here: anything that is not such a step.
"""
