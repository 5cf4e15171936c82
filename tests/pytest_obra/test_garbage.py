"""The search for garbage rests while scenario files are collected, and is as before when they are."""

import pytest

TELLS = """
    import gc

    def pytest_collection_modifyitems():
        print("search", gc.isenabled())

    def pytest_runtest_setup():
        print("search", gc.isenabled())
    """
MAIN = """
    import gc, pytest
    {first}
    pytest.main(["-s", "-p", "no:cacheprovider"])
    print("search", gc.isenabled())
    """


@pytest.fixture
def told(pytester):
    """Return what collection, test and the end tell of the search, in a process of its own."""

    def told(first=""):
        pytester.makeconftest(TELLS)
        result = pytester.runpython(pytester.makepyfile(main=MAIN.format(first=first)))
        return [line.partition("search ")[2] for line in result.outlines if "search " in line]

    return told


def test_it_rests_only_while_files_are_collected(scenario_file, told):
    """Off during the collection, on while tests run and in the end."""
    scenario_file("a")
    assert told() == ["False", "True", "True"]


def test_without_scenarios_nothing_changes(pytester, told):
    """Plain tests are collected and run with the search as it was."""
    pytester.makepyfile(test_plain="def test_it(): pass\n")
    assert told() == ["True"] * 3


def test_a_search_that_is_off_stays_off(scenario_file, told):
    """Whoever switched it off finds it off."""
    scenario_file("a")
    assert told("gc.disable()") == ["False"] * 3


def test_a_collection_that_fails_leaves_it_on(pytester, scenario_file, told):
    """A file that cannot be read ends the run; the search is on again."""
    scenario_file("a")
    pytester.makefile(".obra.yaml", wrong="task: {titel: t}\n")
    assert told() == ["False", "True"]


@pytest.mark.parametrize(("first", "meanwhile"), [(700, "5000"), (9000, "9000"), (0, "0")])
def test_it_begins_less_often_while_scenarios_run(pytester, scenario_file, first, meanwhile):
    """After more new objects than by itself, never after fewer, and in the end as before."""
    scenario_file("a")
    pytester.makeconftest("import gc\ndef pytest_runtest_setup(): print('search', gc.get_threshold()[0])\n")
    main = f"""
        import gc, pytest
        gc.set_threshold({first}, 10, 10)
        pytest.main(["-s", "-p", "no:cacheprovider"])
        print("search", gc.get_threshold()[0])
        """
    result = pytester.runpython(pytester.makepyfile(main=main))
    told = [line.partition("search ")[2] for line in result.outlines if "search " in line]
    assert told == [meanwhile, str(first)]


@pytest.mark.parametrize(("scenarios", "objects"), [(True, True), (False, False)])
def test_python_exits_without_a_search_where_scenarios_ran(
    pytester, scenario_file, monkeypatch, scenarios, objects
):
    """Controller and worker set aside what is there when they exit, not before; without scenarios they do not."""
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # these tests may run in a worker themselves
    if scenarios:
        scenario_file("a")
    pytester.makepyfile(test_plain="import gc\n\ndef test_it(): assert not gc.get_freeze_count()\n")
    pytester.makeconftest(
        """
        import atexit, gc, os

        @atexit.register  # earlier than ours, so it comes later
        def tell():
            with open("exits.txt", "a") as file:
                who = os.environ.get("PYTEST_XDIST_WORKER", "controller")
                file.write(f"{who} {gc.get_freeze_count() > 10_000}\\n")
        """
    )
    main = pytester.makepyfile(main="import pytest, sys; sys.exit(pytest.main(['-n1', '-p', 'no:cacheprovider']))")
    assert pytester.runpython(main).ret == 0
    told = sorted(pytester.path.joinpath("exits.txt").read_text().splitlines())
    assert told == [f"controller {objects}", f"gw0 {objects}"]
