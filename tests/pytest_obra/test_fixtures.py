"""The fixture ladder: each is the one seam for one thing."""

from pathlib import Path


def test_agent_and_workspace_without_any_scenario(pytester, run):
    """A test of one's own may take the agent and its folder alone; both are gone afterwards."""
    pytester.makepyfile(
        """
        import pytest

        agents = []

        def test_agent(obra_agent, obra_workspace, obra_agent_name):
            agents.append(obra_agent)
            assert obra_agent_name == "mock"
            assert obra_agent.is_healthy()
            assert "no script" in str(obra_agent.send_prompt("hi"))
            assert list(obra_workspace.iterdir()) == []

        def test_after():
            assert not agents[0].is_healthy()
        """
    )
    run().assert_outcomes(passed=2)


def test_the_ready_loop(pytester, run):
    """Obra is an Orchestrator, with the state of obra_state, ready for tasks of one's own."""
    pytester.makepyfile(
        """
        def test_loop(obra, obra_state, obra_workspace, obra_llm, obra_agent):
            assert obra.state_manager is obra_state
            assert obra.llm_interface is obra_llm
            assert obra.agent is obra_agent
            project = obra_state.create_project("p", working_dir=str(obra_workspace))
            task = obra_state.create_task(project.id, {"title": "t"})
            assert obra.execute_task(task.id).status == "escalated"

        def test_the_state_is_still_open(obra_state):
            assert len(obra_state.projects()) == 1
        """
    )
    run().assert_outcomes(passed=2)


def test_overriding_the_settings_changes_what_follows(pytester, scenario_file, run):
    """One overridden fixture is enough: here no quality is good enough, so that the run escalates."""
    scenario_file("good", expect={"status": "escalated"}, limits={"iterations": 1})
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture
        def obra_config(obra_config):
            obra_config.set("validation.quality.threshold", 100)
            return obra_config
        """
    )
    run().assert_outcomes(passed=1)


def test_settings_of_one_test_do_not_reach_the_next(pytester, run):
    """A setting that a test changes is its own."""
    pytester.makepyfile(
        """
        def test_one(obra_config):
            obra_config.set("llm.model", "changed")

        def test_two(obra_config):
            assert obra_config.get("llm.model") != "changed"
        """
    )
    run().assert_outcomes(passed=2)


def test_overriding_the_agent(pytester, scenario_file, run):
    """An agent of one's own goes the same road, and is judged the same way."""
    scenario_file("good", script=None)
    pytester.makeconftest(
        """
        import pytest
        from obra import MockAgent
        from obra.domain import ScriptStep

        @pytest.fixture
        def obra_agent(obra_workspace):
            agent = MockAgent([ScriptStep(say="mine", write={"hello.txt": "hello"})])
            agent.initialize({"workspace_dir": str(obra_workspace)})
            return agent
        """
    )
    run().assert_outcomes(passed=1)


def test_an_ollama_that_is_not_there_is_a_visible_skip(pytester, run):
    """obra_ollama skips with the reason, and gives a working interface where there is a server."""
    pytester.makeini("[pytest]\n")
    (pytester.path / "obra.yaml").write_text("llm: {api_url: 'http://127.0.0.1:9'}\n")
    pytester.makepyfile("def test_it(obra_ollama): ...")
    result = run("-rs", "--obra-config=obra.yaml")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*no LLM server answers at http://127.0.0.1:9*"])


def test_an_ollama_that_is_there(pytester, run, ollama):
    """The same fixture, connected to a loopback Ollama."""
    (pytester.path / "obra.yaml").write_text(f"llm: {{api_url: '{ollama.url}', model: 'llama3.2'}}\n")
    pytester.makepyfile("def test_it(obra_ollama):\n    assert 'ello' in obra_ollama.generate('Say hello')\n")
    run("--obra-config=obra.yaml").assert_outcomes(passed=1)


def test_a_workspace_stays_as_long_as_pytest_keeps_temporary_folders(pytester, run, tmp_path):
    """Each test has its own; it stays by default, and with the policy 'failed' it goes when its test passed."""
    pytester.makepyfile(
        """
        import pathlib
        import pytest

        @pytest.mark.parametrize("number", [1, 2])
        def test_it(obra_workspace, number):
            with pathlib.Path("places").open("a") as places:
                places.write(f"{obra_workspace}\\n")
        """
    )
    base = f"--basetemp={tmp_path / 'base'}"
    places = pytester.path / "places"
    run(base).assert_outcomes(passed=2)
    kept = [Path(line) for line in places.read_text(encoding="utf-8").splitlines()]
    assert len(set(kept)) == 2
    assert all(place.is_dir() and place.is_relative_to(tmp_path / "base") for place in kept)
    places.unlink()
    run(base, "-o", "tmp_path_retention_policy=failed").assert_outcomes(passed=2)
    gone = [Path(line) for line in places.read_text(encoding="utf-8").splitlines()]
    assert len(set(gone)) == 2
    assert not any(place.exists() for place in gone)
