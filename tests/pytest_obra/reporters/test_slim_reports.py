import pytest

from pytest_obra.reporters.slim_reports import SlimReports


def report(when, *, node="a.obra.yaml::test", properties=()):
    """Return a report as pytest makes one, nothing in it shared."""
    return pytest.TestReport(
        nodeid="".join([*node]),
        location=(f"{node}.py", 1, "test"),
        keywords={"test": 1, node: 1},
        outcome="passed",
        longrepr=None,
        when=when,
        sections=[("Captured stdout call", "hello")],
        user_properties=list(properties),
    )


def test_reports_of_a_test_share_what_is_equal(pytestconfig):
    """Keywords and the like are there once for setup, call and teardown, and read as before."""
    slim, told = (
        SlimReports(pytestconfig),
        [report("setup"), report("call", properties=[("a", 1)]), report("teardown")],
    )
    before = [dict(vars(one)) for one in told]

    for one in told:
        slim.take(one)

    setup, call, teardown = told
    assert [vars(one) for one in told] == before
    assert setup.keywords is call.keywords is teardown.keywords
    assert setup.sections is call.sections is teardown.sections
    assert call.user_properties == [("a", 1)]
    assert setup.user_properties == teardown.user_properties == []


def test_tests_that_run_at_once_are_kept_apart(pytestconfig):
    """Reports of two workers of xdist come mixed; nothing of one test gets into another's."""
    slim = SlimReports(pytestconfig)
    told = [
        report(when, node=node)
        for when in ("setup", "call", "teardown")
        for node in ("a.obra.yaml::a", "b.obra.yaml::b")
    ]

    for one in told:
        slim.take(one)

    assert [one.keywords for one in told] == [
        {"test": 1, "a.obra.yaml::a": 1},
        {"test": 1, "b.obra.yaml::b": 1},
    ] * 3
    assert told[0].keywords is told[4].keywords
    assert told[1].keywords is not told[0].keywords


def test_the_tests_of_others_are_left_alone(pytestconfig):
    """A report of a test that is no scenario file's keeps what it has for itself."""
    slim, told = SlimReports(pytestconfig), [report("setup", node="a.py::a"), report("call", node="a.py::a")]

    for one in told:
        slim.take(one)

    assert told[0].keywords is not told[1].keywords


LOOKS = """
def test_plain():
    pass

def pytest_terminal_summary(terminalreporter):
    kept = terminalreporter.stats
    quiet = kept[""]
    print("KEPT", [one.when for one in quiet if "good" in one.nodeid], len(quiet), len(kept["passed"]))
"""


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((), "KEPT [[]] 2 2"),
        (("--durations=3",), "KEPT [[]'setup', 'teardown'] 4 2"),
        (("-o", "console_output_style=times"), "KEPT [[]'setup', 'teardown'] 4 2"),
    ],
    ids=["nothing", "durations", "times"],
)
def test_what_the_terminal_shows_nothing_of_is_not_kept(pytester, scenario_file, run, given, told):
    """Setup and teardown of a scenario file are let go; others stay, and so do all where they are shown."""
    scenario_file("good")
    pytester.makeconftest(LOOKS)
    pytester.makepyfile(test_plain="def test_plain():\n    pass\n")
    result = run("-s", *given)
    result.stdout.fnmatch_lines([told, "*2 passed*"])
    if given == ("--durations=3",):
        result.stdout.fnmatch_lines(["*s call*good.obra.yaml::*"])


def test_what_a_setup_printed_is_kept(pytester, scenario_file, run):
    """-rP shows the output of a passed test, that of its teardown, too."""
    scenario_file("good")
    pytester.makeconftest(
        "import pytest\n\n@pytest.fixture(autouse=True)\ndef told():\n    yield\n    print('TOLD AT THE END')\n"
    )
    run("-rP").stdout.fnmatch_lines(["*TOLD AT THE END*", "*1 passed*"])
