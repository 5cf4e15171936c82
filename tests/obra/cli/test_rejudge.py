"""``obra rejudge``: stored attempts, other rules or another reviewer, and no agent."""

import os

import prepared_programs
import pytest

HELLO = """\
name: hello
task: {title: Say hello}
checks: [{file: hello.txt}]
script:
  - {say: Done., write: {hello.txt: "hello\\n"}}
reviewer:
  - {score: 95}
"""
REVIEWERS = """
import itertools, json
_NUMBERS = itertools.count()


class Moody:
    identity = "moody"
    answers_whole_reviews = True

    def __init__(self, config): ...

    def generate(self, prompt, *, schema=None, seed=None):
        good = next(_NUMBERS) % 2 == 0
        return json.dumps({"verdict": "yes" if good else "no", "score": 95 if good else 5,
                           "issues": [] if good else ["no"], "question": "", "reason": "mood"})

    def missing(self):
        return []
"""


@pytest.fixture
def run_of_two(tmp_path):
    """Run one scenario twice with pytest."""
    (tmp_path / "hello.obra.yaml").write_text(HELLO)
    (tmp_path / "reviewers.py").write_text(REVIEWERS)
    words = ["-q", "-p", "no:cacheprovider", "--obra-repeat=2", "--basetemp=tmp", "."]
    done = prepared_programs.run("pytest", words, folder=tmp_path, variables=os.environ)
    assert done.code == 0, done.out


def test_the_same_rules_decide_the_same(obra, run_of_two, tmp_path):
    """Nothing changed, which a report says; and it is no run to compare with."""
    done = obra("rejudge", "last")
    assert done.code == 0, done.err
    assert "0 of 2 decisions changed" in done.out
    (page,) = tmp_path.glob("reports/*-rejudged/report.md")
    assert "0 of 2 decisions changed" in page.read_text()
    assert obra("compare", "last", "last").code == 0


def test_another_threshold_changes_decisions(obra, run_of_two, tmp_path):
    """What is good enough for 70 is not for 99.9; then and now stand side by side, and the database as it was."""
    data = obra("rejudge", "last", "-o", "validation.quality.threshold=99.9", "--json").data
    assert data["changed"] == 2
    assert {one["before"] for one in data["attempts"]} == {"proceed"}
    assert all(one["actions"] != ["proceed"] for one in data["attempts"])
    assert "0 of 2 decisions changed" in obra("rejudge", "last").out


def test_a_judge_that_does_not_agree_with_itself_is_shown(obra, run_of_two):
    """A reviewer who says yes and no in turn: no attempt is judged the same three times."""
    done = obra("rejudge", "last", "--llm", "reviewers:Moody", "--times", "3")
    assert done.code == 0, done.err
    assert "reviews: 0 of 2 attempts the same all 3 times (95% interval 0.0% to 65.8%)" in done.out
    assert "33.3% of pairs agree" in done.out
    assert "2 of 2 decisions changed" in done.out


def test_a_script_is_no_opinion(obra, run_of_two):
    """The scripted LLM cannot be asked again; and another database is not taken for the run's own."""
    done = obra("rejudge", "last", "--times", "2")
    assert (done.code, "no opinion" in done.err) == (2, True)
    done = obra("rejudge", "last", "-o", "database.url=sqlite:///other.db")
    assert done.code == 1


def test_a_task_of_another_run_is_never_judged_in_its_place(obra, run_of_two, tmp_path):
    """The other database has a task of the same number, of which the agent said something else."""
    (tmp_path / "other.obra.yaml").write_text(HELLO.replace("Done.", "Not yet."))
    other = ("-o", f"database.url=sqlite:///{tmp_path}/other.db")
    assert obra("run", "other.obra.yaml", *other).code == 0
    done = obra("rejudge", "last", *other)
    assert done.code == 1
    assert "task 1 of this database is not the one that hello ran as; name the database of the run" in done.err
