from obra.statistics.trials import trace_of, trial_of, trials_of


def attempt(**changes):
    """Return what a row says of an attempt, as far as a trace reads it."""
    return {
        "patch": "+a",
        "changes": [{"kind": "created", "path": "a", "old_path": ""}],
        "tampering": [],
        "problems": [],
        "question": "",
        "limit": "",
        "checks": [{"name": "file a", "passed": True, "output": "0.1 s"}],
        "review": {"verdict": "yes", "score": 90.0, "issues": [], "answers": [{"id": "q1", "verdict": "yes"}]},
        "reply": "Done.",
        **changes,
    }


def kinds(one, other):
    """Return the steps at which two attempts differ."""
    pairs = zip(trace_of([one], []), trace_of([other], []), strict=True)
    return [mine.partition(" ")[0] for mine, theirs in pairs if mine != theirs]


def test_each_step_has_a_word_of_its_own():
    """What the agent did, what checks say and what the reviewer says change different words."""
    assert kinds(attempt(), attempt(reply="Ready!")) == []
    assert kinds(attempt(), attempt(patch="+b")) == ["work"]
    assert kinds(attempt(), attempt(question="Which one?")) == ["work"]
    assert kinds(attempt(), attempt(checks=[{"name": "file a", "passed": False}])) == ["checks"]
    assert kinds(attempt(), attempt(checks=[{"name": "file a", "passed": True, "output": "0.2 s"}])) == []
    review = {"verdict": "no", "score": 90.0, "issues": [], "answers": []}
    assert kinds(attempt(), attempt(review=review)) == ["review"]
    assert [word.partition(" ")[0] for word in trace_of([attempt()] * 2, [])] == [
        *["work", "checks", "review"] * 2,
        "truth",
    ]


def test_text_that_utf8_cannot_hold_has_a_digest():
    """A lone surrogate in a patch is data, not an error."""
    assert trace_of([attempt(patch="\ud800")], []) != trace_of([attempt(patch="a")], [])


def test_lines_of_older_runs_can_be_read(line):
    """Without the newer keys the scenario is the case, and it ran once."""
    old = {key: value for key, value in line().items() if key not in {"case", "repeat", "trace", "llm_identity"}}
    trial = trial_of(old)
    assert (trial.case, trial.repeat, trial.trace, trial.bare) == ("hello", 1, (), False)


def test_what_a_rerun_plugin_adds_is_no_sample(line):
    """Of one repeat the first verdict counts; a run that broke gives its place to the rerun."""
    wrong = line("agent_failed")
    assert [one.result for one in trials_of([wrong, line()])] == ["agent_failed"]
    assert [one.result for one in trials_of([line("machinery_broke"), line()])] == ["passed"]
    assert [one.result for one in trials_of([line("machinery_broke")] * 2)] == ["machinery_broke"]
    assert len(trials_of([line(repeat=1), line(repeat=2), line(agent="real")])) == 3


def test_a_wrong_verdict_is_a_false_accept_or_a_false_reject(line):
    """Completed and not true is the one, true and not completed the other."""
    accept = trial_of(line("verdict_wrong", status="completed"))
    reject = trial_of(line("verdict_wrong", status="escalated"))
    assert (accept.is_false_accept, accept.is_false_reject) == (True, False)
    assert (reject.is_false_accept, reject.is_false_reject) == (False, True)
    assert not trial_of(line()).is_false_accept
