from obra.domain import ChangeKind, CheckResult, Evidence, FileChange, Review, Verdict
from obra.judging.facts import Facts
from obra.judging.situation import Situation


def check(name, *, passed=False, **more):
    """One check result."""
    return CheckResult(name=name, passed=passed, message="m", **more)


def facts(*checks, **more):
    """The facts of a situation with these checks."""
    return Facts.of(Situation(evidence=Evidence(checks=checks), **more))


def test_only_required_checks_that_somebody_wrote_measure():
    """Optional and implied checks alone do not measure a task."""
    assert facts(check("a")).is_measured
    assert not facts(check("a", required=False), check("b", implied=True)).is_measured


def test_only_required_checks_fail():
    """What another attempt is measured by; a remark is none."""
    remark = check("scope", implied=True, required=False)
    assert [one.name for one in facts(check("a"), remark).failed] == ["a"]
    assert facts(check("a", passed=True), remark).failed == ()


def test_shown_complete():
    """Written checks that pass show completeness, unless the reviewer says no."""
    assert facts(check("a", passed=True)).is_shown_complete
    assert not facts(check("a", passed=True), review=Review(verdict=Verdict.NO)).is_shown_complete
    assert not facts(check("a", passed=True, implied=True)).is_shown_complete
    assert not facts(check("a")).is_shown_complete


def test_a_used_up_limit_leaves_no_attempt():
    """No attempt counts as left once the task's time or money is spent."""
    assert facts(attempts_left=3).attempts_left == 3
    assert facts(attempts_left=3, limit="seconds").attempts_left == 0


def test_changes_count_since_the_task_began():
    """What an earlier attempt changed is evidence too; what was undone is none."""
    change = FileChange(path="a", kind=ChangeKind.CREATED)
    assert Facts.of(Situation(evidence=Evidence(total_changes=(change,)))).changed
    assert Facts.of(Situation(evidence=Evidence(changes=(change,)))).is_empty


def test_a_task_without_a_number():
    """A task that was never stored has the number 0."""
    assert Facts.of(Situation(task="just words")).task_id == 0
