"""The rung between mock and real: a model API on loopback that plays a scenario's script to the real agent.

Here belong the server and the messages it speaks. Judging, and starting the agent, never do. Start at
:mod:`obra.replay.model_server`; what it says is written in :mod:`obra.replay.messages`.
"""
