"""What was seen while the agent ran: the files it touched and the things its output tells.

Here belong watchers that look on and report, for people who follow a run and for the limits on silence. What is
seen here is a sign of life and never evidence: events get lost and prose lies, so no verdict may rest on them.
Evidence is the difference between two snapshots (``workspace``) and the checks (``evidence``). watchdog is
imported inside functions, here alone. Start at :mod:`obra.monitoring.file_watcher`.
"""
