"""Where workers run scenarios, the controller loads the end of the run meanwhile; without any it loads nothing."""

import pytest

TELLS = """
    import sys

    def pytest_configure(config):
        if not hasattr(config, "workerinput"):  # the variables of a worker may be those of the suite's own
            config.pluginmanager.register(Controller())

    class Controller:
        def pytest_runtest_logreport(self, report):
            if report.when == "setup":
                print("loaded:", "pytest_obra.history" in sys.modules)
    """


@pytest.fixture
def told(pytester, monkeypatch):
    """Return what the controller tells at each report of a setup, in a run with one worker."""
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def told():
        pytester.makeconftest(TELLS)
        plugins = ("-p", "no:cacheprovider", "-p", "pytest_obra.plugin", "-p", "xdist")
        result = pytester.runpytest_subprocess("-s", "-n", "1", *plugins)
        return result.ret, {line.partition("loaded: ")[2] for line in result.outlines if "loaded: " in line}

    return told


def test_what_the_end_needs_is_loaded_when_the_first_scenario_begins(scenario_file, told):
    """The imports take their time while workers are busy, and not when everybody waits for the end."""
    scenario_file("a")
    scenario_file("b")
    assert told() == (0, {"True"})


def test_plain_tests_load_none_of_it(pytester, told):
    """A run without scenarios pays for nothing."""
    pytester.makepyfile(test_plain="def test_it(): pass\n")
    assert told() == (0, {"False"})
