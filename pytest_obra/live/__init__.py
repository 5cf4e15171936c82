"""What is seen while scenarios run.

What belongs here: progress of runs that are under way, from this process and from xdist workers, on a terminal or
in a log, and the conversation under ``-s``. What never does: verdicts and reports; those are made from what was
recorded. Start with :mod:`pytest_obra.live.view`; `feed` is who tells, `running_now` what is known of each run.
"""
