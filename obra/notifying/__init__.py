"""Who outside is told when a person must look: a webhook, a command.

Here belongs what carries a short message to somebody who does not watch the run. Never here: what decides whether
a person must look, and anything that could fail or hold up the run; a message that cannot be delivered in time is
given up, and that is recorded. Start at ``notifier.py``.
"""
