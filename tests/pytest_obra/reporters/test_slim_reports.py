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


def test_reports_of_a_test_share_what_is_equal():
    """Keywords and the like are there once for setup, call and teardown, and read as before."""
    slim, told = SlimReports(), [report("setup"), report("call", properties=[("a", 1)]), report("teardown")]
    before = [dict(vars(one)) for one in told]

    for one in told:
        slim.take(one)

    setup, call, teardown = told
    assert [vars(one) for one in told] == before
    assert setup.keywords is call.keywords is teardown.keywords
    assert setup.sections is call.sections is teardown.sections
    assert call.user_properties == [("a", 1)]
    assert setup.user_properties == teardown.user_properties == []


def test_tests_that_run_at_once_are_kept_apart():
    """Reports of two workers of xdist come mixed; nothing of one test gets into another's."""
    slim = SlimReports()
    told = [report(when, node=node) for when in ("setup", "call", "teardown") for node in ("a", "b")]

    for one in told:
        slim.take(one)

    assert [one.keywords for one in told] == [{"test": 1, "a": 1}, {"test": 1, "b": 1}] * 3
    assert told[0].keywords is told[4].keywords
    assert told[1].keywords is not told[0].keywords
