"""The contracts of the two doors as code, for everyone who writes an adapter: check_agent and check_llm.

Call one in a test of your own. It drives the adapter the way the loop does and raises an ``AssertionError``, with
what was expected and what came instead, at the first broken promise; silence means that the loop can use it::

    def test_my_agent_keeps_the_contract(tmp_path):
        check_agent(MyAgent, workspace=tmp_path, config={"command": "my-agent"}, prompts=["Say hello", "Say bye"])

Start at :mod:`obra.testing.agent_contract`. With a *stage*, which brings situations about, ``check_agent``
asks for all of :class:`obra.plugins.ContractCase`: crashes, hangs, limits, floods. ``python -m obra.testing`` does
so for our own adapters and prints the table. What tests of scenarios need belongs into ``pytest_obra``, not here.
"""

from obra.plugins import ContractCase
from obra.testing.agent_contract import PROMISES, check_agent, check_case
from obra.testing.llm_contract import check_llm
from obra.testing.scene import Scene, Stage

__all__ = ["PROMISES", "ContractCase", "Scene", "Stage", "check_agent", "check_case", "check_llm"]
