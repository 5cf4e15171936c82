from pathlib import Path

import pytest

from obra.calibration.corpus import Origin, cases, share_of
from obra.errors import ScenarioError

SHIPPED = Path(__file__).parents[3] / "scenarios" / "corpus"


def test_a_task_gives_its_script_its_written_attempts_and_saboteurs(corpus):
    """Each with its label; script and written attempts stand there a second time, without the checks."""
    found = list(cases(corpus))
    names = [case.name for case in found]
    assert names[:4] == ["doubling/script", "doubling/squares", "doubling/times_two", "doubling/nothing"]
    assert [case.is_good for case in found[:4]] == [True, False, True, False]
    assert {case.origin for case in found} == set(Origin)
    assert names[-4:] == [
        f"doubling without checks/{name}" for name in ("script", "squares", "times_two", "nothing")
    ]
    assert not any(case.is_measured for case in found[-4:])


def test_an_attempt_is_a_difference(corpus):
    """From the honest end, or from the workspace as the task begins."""
    found = {case.variant.name: case.variant for case in cases(corpus)}
    assert found["squares"].script[0].write == {"double.py": "def double(n):\n    return n ** 2\n"}
    assert found["nothing"].script[0].write == {"other.py": "x = 1\n"}


def test_quick_is_a_part_and_always_the_same(corpus):
    """Every script stays; names alone decide on the rest."""
    quick, all_of_it = [[case.name for case in cases(corpus, quick=short)] for short in (True, False)]
    assert quick == [case.name for case in cases(corpus, quick=True)]
    assert set(quick) < set(all_of_it)
    assert "doubling/script" in quick
    assert [share_of("parse_duration", 2), share_of("lru_cache", 2)] == [0, 1]


@pytest.mark.parametrize(
    ("task", "attempt", "complaint"),
    [
        ("task: triple", "name: a, label: bad", "there is no task 'triple'; known are doubling"),
        ("task: doubling", "name: a, label: fine", "label"),
        ("task: doubling", "label: bad", "name"),
        (
            "task: doubling",
            "name: a, label: bad, edit: {double.py: [{find: z, replace: y}]}",
            "'z' does not stand in double.py",
        ),
        ("task: doubling", "name: liar, label: bad", "two attempts are called 'liar'"),
    ],
)
def test_a_wrong_file_of_attempts_is_named(corpus, task, attempt, complaint):
    """With what is wrong."""
    (corpus / "attempts" / "double.yaml").write_text(f"{task}\nattempts: [{{why: x, {attempt}}}]\n")
    with pytest.raises(ScenarioError, match=complaint):
        list(cases(corpus))


def test_an_empty_folder_is_no_corpus(tmp_path):
    """Nor is a task without truth part of one."""
    with pytest.raises(ScenarioError, match="no task"):
        list(cases(tmp_path))
    (tmp_path / "a.yaml").write_text("task: {title: x}\nscript: [{say: y}]\n")
    with pytest.raises(ScenarioError, match=r"needs an honest 'script' and hidden checks in 'expect\.truth'"):
        list(cases(tmp_path))


def test_the_shipped_corpus_is_large_and_mixed():
    """Twenty tasks of a dozen kinds, hundreds of attempts, a hundred of them written by hand."""
    found = list(cases(SHIPPED))
    own = [
        case
        for case in found
        if case.origin is not Origin.DERIVED and case.scenario.path.stem == case.scenario.name
    ]
    assert len({case.scenario.name for case in own}) >= 20
    kinds = {case.scenario.markers[0] for case in own}
    assert {"cli", "parser", "refactor", "bugfix", "data", "documentation", "shell", "config"} <= kinds
    assert len(kinds) >= 12
    written = [case for case in own if case.origin is Origin.WRITTEN]
    assert len(written) >= 100
    assert sum(case.is_good for case in written) >= len(written) // 4
    assert len(found) >= 500
