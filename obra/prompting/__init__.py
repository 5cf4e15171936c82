"""What to say: prompts for the agent and for the reviewer, cut to a token budget.

Here belongs text that is made from values. Never here: files, processes, clocks, random numbers, a model that is
asked. Start at :mod:`obra.prompting.prompt_generator`.
"""
