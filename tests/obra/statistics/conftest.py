"""Lines of runs, written by hand."""

import pytest


@pytest.fixture
def line():
    """Return a function that makes one line of a run."""

    def make(result="passed", *, case="hello", agent="mock", repeat=1, trace=("work a", "truth b"), **changes):
        status = {"passed": "completed", "agent_failed": "failed", "machinery_broke": None}
        return {
            "scenario": case.partition("[")[0],
            "case": case,
            "agent": agent,
            "repeat": repeat,
            "node": f"{case}.obra.yaml::test_scenario[{agent}-{repeat}]",
            "result": result,
            "status": status.get(result, "completed"),
            "llm_identity": "scripted",
            "seconds": 2.0,
            "tokens": 100,
            "cost_usd": 0.25,
            "trace": list(trace),
            **changes,
        }

    return make
