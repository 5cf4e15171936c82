"""Saboteurs: a scenario's honest script turned into dishonest ones, and into honest ones in odd clothes.

Here belongs what an agent might do instead of the work (each kind of fault in a file of its own), running one of
them (``trial``) and the table of who caught whom (``matrix``, pure). Never here: pytest, any judgement of an
attempt, or code that makes a saboteur easier to catch. Start at ``variants.py``; what all of them are made from
stands in ``material.py``.
"""
