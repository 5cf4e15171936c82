"""Several tasks in one scenario, people who answer, and what is stored for whoever resumes a task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from obra import Config, Orchestrator
from obra.domain import TaskStatus, Trigger
from obra.errors import ScenarioError
from obra.reports.rows import row_of
from obra.scenarios.scenario import Scenario
from obra.scenarios.scenario_run import ScenarioReport, ScenarioResult, run_scenario
from obra.scenarios.scenario_settings import with_settings

ASKS = {"say": "Which name shall I take? Should it be upper case?"}


def makes(name: str) -> dict[str, Any]:
    """A step that writes one file."""
    return {"say": "Done.", "write": {name: "x\n"}}


def task(name: str, after: str | list[str] = "", **changes: Any) -> dict[str, Any]:
    """One of several tasks: it makes a file called as itself."""
    return {
        "name": name,
        **({"after": after} if after else {}),
        "task": {"title": f"Make {name}"},
        "checks": [{"file": name}],
        "script": [makes(name)],
        "reviewer": [{"score": 90}],
        **changes,
    }


def config_in(folder: Path) -> Config:
    """Settings that keep everything in *folder*."""
    config = Config.load(environ={}, rung="mock")
    config.set("database.url", f"sqlite:///{folder}/obra.db")
    config.set("workspace.store", str(folder / "store.git"))
    return config


def play(folder: Path, **data: Any) -> ScenarioReport:
    """Run a scenario on the mock rung, with what it says itself and nothing else."""
    scenario = Scenario.from_data(data)
    with Orchestrator(with_settings(config_in(folder), scenario)) as loop:
        return run_scenario(scenario, loop, root=folder / "work")


def test_tasks_run_behind_what_they_wait_for(tmp_path: Path):
    """Each has its own script, reviewer and verdict; the truth is looked at once, at the end."""
    report = play(
        tmp_path,
        tasks=[task("c", after="b"), task("b", after="a"), task("a")],
        expect={"truth": [{"file": ["a", "b", "c"]}]},
    )
    assert report.passed, report.shortfalls
    assert [(one.name, one.status) for one in report.tasks] == [(name, "completed") for name in "cba"]
    assert [one.task_id for one in report.tasks] == [3, 2, 1]
    assert [attempt.task_id for attempt in report.outcome.attempts] == [3, 2, 1]
    assert {one.name for one in report.expectations} == {"a: status", "b: status", "c: status"}
    assert row_of(report)["tasks"][0]["name"] == "c"


UNDOES = {"say": "Done.", "write": {"b": "x\n"}, "delete": ["a"]}


def test_a_later_task_may_not_undo_what_it_builds_on(tmp_path: Path):
    """The checks of what it comes after, at any distance, are its own, too; the agent hears of it and mends it."""
    undone = task("b", after="a", script=[UNDOES, makes("a")], reviewer=[{"score": 90}, {"score": 95}])
    report = play(tmp_path, tasks=[task("a"), undone, task("c", after="b")])
    assert report.passed, report.shortfalls
    a, first, second, c = report.outcome.attempts
    assert [check.passed for check in first.evidence.checks] == [True, False]
    assert "a" in second.prompt
    assert [len(one.evidence.checks) for one in (a, second, c)] == [1, 2, 3]
    stays = play(tmp_path / "again", tasks=[task("a"), task("b", after="a", script=[UNDOES])])
    assert stays.result is ScenarioResult.AGENT_FAILED


def test_a_later_task_may_replace_what_it_builds_on(tmp_path: Path):
    """What it replaces is not held against it, nor against what comes after it; the rest is."""
    replacing = task("b", after="a", replaces="a", script=[UNDOES])
    report = play(tmp_path, tasks=[task("a"), replacing, task("c", after=["b"])])
    assert report.passed, report.shortfalls
    assert [len(one.evidence.checks) for one in report.outcome.attempts] == [1, 1, 2]


def test_what_waits_for_a_task_that_is_held_up_never_begins(tmp_path: Path):
    """One that cannot be completed escalates; the next stays pending, and may be expected to."""
    held = task(
        "a", script=[ASKS], reviewer=[{"score": 10}], limits={"iterations": 1}, expect={"status": "escalated"}
    )
    report = play(tmp_path, tasks=[held, task("b", after="a", expect={"status": "pending"})])
    assert report.passed, report.shortfalls
    assert report.outcome.status is TaskStatus.ESCALATED
    assert not (tmp_path / "work" / "b").exists()
    report = play(tmp_path / "again", tasks=[held, task("b", after="a")])
    assert report.result is ScenarioResult.AGENT_FAILED
    assert [one.name for one in report.shortfalls] == ["b: status"]


def test_accepted_work_that_the_hidden_checks_find_wanting_is_a_wrong_verdict(tmp_path: Path):
    """All tasks completed and the truth false: Obra was wrong, not the agent."""
    report = play(tmp_path, tasks=[task("a"), task("b")], expect={"truth": [{"file": "c"}]})
    assert report.result is ScenarioResult.VERDICT_WRONG


def test_a_persons_answer_goes_on_with_the_task(tmp_path: Path):
    """The answer is stored, stands in the next prompt, and the report says who answered what."""
    report = play(
        tmp_path,
        task={"title": "Make a"},
        checks=[{"file": "a"}],
        script=[ASKS, makes("a")],
        reviewer=[{"score": 20}, {"score": 95}],
        human=[{"trigger": "tampering", "answer": "never"}, "Lower case"],
        expect={"breakpoint": "agent_asks", "iterations": {"min": 2, "max": 2}},
    )
    assert report.outcome.status is TaskStatus.COMPLETED
    assert report.outcome.iterations == 2
    assert [(one.trigger, one.answer, one.attempt_number) for one in report.answers] == [
        (Trigger.AGENT_ASKS, "Lower case", 1)
    ]
    assert "Lower case" in report.outcome.attempts[1].prompt
    assert row_of(report)["human"][0]["answer"] == "Lower case"
    assert [one.message for one in report.shortfalls] == [
        "expected 2 to be asked for, got 1; nobody asked for 'never'"
    ]


def test_answers_end_with_the_limits(tmp_path: Path):
    """A person's answer buys no attempt beyond the task's own limit."""
    report = play(
        tmp_path,
        task={"title": "Make a"},
        checks=[{"file": "a"}],
        limits={"iterations": 2},
        script=[ASKS, ASKS, ASKS],
        reviewer=[{"score": 20}] * 3,
        human=["one", "two"],
        expect={"status": "escalated"},
    )
    assert report.outcome.iterations == 2
    assert [one.answer for one in report.answers] == ["one"]
    assert not report.passed


def test_a_task_that_is_resumed_has_its_script(tmp_path: Path):
    """Whoever runs the stored task later, without the scenario, plays the next step and the next review."""
    first = play(
        tmp_path,
        task={"title": "Make a"},
        checks=[{"file": "a"}],
        script=[ASKS, makes("a")],
        reviewer=[{"score": 20}, {"score": 95}],
        expect={"status": "escalated"},
    )
    assert first.passed
    with Orchestrator(config_in(tmp_path)) as loop:
        stored = loop.state_manager.get_task(first.outcome.task_id)
        assert stored.script
        assert stored.script[1].write == {"a": "x\n"}
        outcome = loop.execute_task(stored.id)
    assert outcome.status is TaskStatus.COMPLETED
    assert outcome.attempts[0].review.score == 95


def test_what_the_loop_was_given_goes_before_what_is_stored(tmp_path: Path):
    """A script given to the Orchestrator is played, whatever stands with the task: saboteurs depend on it."""
    scenario = Scenario.from_data({"task": {"title": "Make a"}, "checks": [{"file": "a"}], "script": [makes("a")]})
    step = Scenario.from_data({"task": {"title": "t"}, "script": [makes("b")]}).script
    with Orchestrator(config_in(tmp_path), script=step, reviewer=[{"score": 99}]) as loop:
        report = run_scenario(scenario, loop, root=tmp_path / "work")
    assert (tmp_path / "work" / "b").exists()
    assert not (tmp_path / "work" / "a").exists()
    assert report.outcome.status is not TaskStatus.COMPLETED


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tasks": [task("a", after="b"), task("b", after="a")]}, "in a circle: a -> b -> a"),
        ({"tasks": [task("a", after="bb"), task("b")]}, "'tasks.0.after': no task 'bb'; did you mean 'b'?"),
        ({"tasks": [task("a"), task("b", replaces="a")]}, "'b' does not build on 'a'"),
        ({"tasks": [task("a", after="b", replaces="c"), task("b"), task("c")]}, "it may replace: b"),
        ({"tasks": [task("a"), task("a")]}, "'tasks.1.name': 'a' stands here twice"),
        ({"tasks": [task("a")], "task": {"title": "t"}}, "'task': there are 'tasks', too"),
        ({"tasks": [task("a")], "checks": [{"file": "a"}]}, "'checks': belongs to one task"),
        ({"tasks": [task("a")], "expect": {"status": "failed"}}, "'expect.status': belongs to one task"),
        ({"tasks": [task("a", human=[{"anser": "x"}])]}, "did you mean 'tasks.0.human.0.answer'?"),
    ],
)
def test_tasks_that_do_not_go_together(changes, words):
    """Circles show their path; everything else the key and the nearest word."""
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_data(changes)
    assert words in str(caught.value)
    assert str(caught.value).startswith("scenario:")


def test_settings_stand_below_what_somebody_typed(tmp_path: Path):
    """File < scenario < environment < rung and options; where each comes from is told."""
    file = tmp_path / "c.yaml"
    file.write_text("llm: {model: of-file, seed: 7}\nagent: {max_turns: 3}\n", encoding="utf-8")
    scenario = Scenario.from_data(
        {
            "name": "s",
            "task": {"title": "t"},
            "settings": {"llm": {"model": "mine", "temperature": 1}, "agent": {"max_turns": 9, "max_retries": 4}},
        }
    )
    loaded = Config.load(
        file, environ={"OBRA__AGENT__MAX_TURNS": "5"}, overrides=["agent.max_retries=0"], rung="mock"
    )
    found = with_settings(loaded, scenario)
    settings = found.settings
    assert (settings.llm.model, settings.llm.seed, settings.llm.temperature) == ("mine", 7, 1)
    assert (settings.agent.max_turns, settings.agent.max_retries) == (5, 0)
    assert found.origins["llm.model"] == "scenario s"
    assert loaded.settings.llm.model == "of-file"


def test_settings_that_are_not_in_force_are_told(tmp_path: Path):
    """A loop that was made without the scenario's settings does not run it as if they held."""
    scenario = Scenario.from_data({"task": {"title": "t"}, "settings": {"agent": {"max_turns": 9}}})
    with (
        Orchestrator(config_in(tmp_path)) as loop,
        pytest.raises(ScenarioError, match=r"'settings.agent.max_turns' is not in force"),
    ):
        run_scenario(scenario, loop, root=tmp_path / "work")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"llm": {"api_key": "SECRET"}}, "'settings.llm.api_key': a scenario cannot set it: a secret does not"),
        ({"agent": {"local": {"api_key": "SECRET"}}}, "'settings.agent.local.api_key': a scenario cannot set it"),
        ({"agent": {"sandbox": "none"}}, "bounds what an agent may do"),
        ({"database": {"url": "sqlite://"}}, "'settings.database.url': a scenario cannot set it"),
        ({"llm": {"modle": "x"}}, "unknown key 'settings.llm.modle'; did you mean 'settings.llm.model'?"),
        ({"llm": {"temperature": 9}}, "'settings.llm.temperature'"),
    ],
)
def test_what_a_scenario_may_not_set(settings, words):
    """Keys of the machine and secrets are refused with the reason; a secret's value is never shown."""
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_data({"task": {"title": "t"}, "settings": settings})
    assert words in str(caught.value)
    assert "SECRET" not in str(caught.value)
