"""Those who change files: one adapter for each agent, all behind :class:`obra.plugins.AgentPlugin`.

Here belongs what it takes to start an agent, speak its protocol, and end it without a trace. Never here: trying
again (the loop does), judging what was answered, or knowing about prompts. Start at ``mock_agent.py``.
"""
