import pytest

from obra.calibration.corpus import Origin, cases
from obra.calibration.measurement import SCRIPTED, measure, reviewers_for
from obra.calibration.page import page
from obra.calibration.summary import of_held_back, summarise
from obra.calibration.trial import Label, Reviewer
from obra.config import Config
from obra.domain import TaskStatus
from obra.errors import ScenarioError


def written(corpus):
    """The attempts of the corpus that nobody derived."""
    return [case for case in cases(corpus) if case.origin is not Origin.DERIVED]


def test_verdicts_of_each_reviewer(judged):
    """Checks decide; no yes helps the bad one, a yes to the trap is found out, a no stops all."""
    ends = {(one.reviewer, one.name): one.status for one in judged}
    done, stopped = TaskStatus.COMPLETED, TaskStatus.ESCALATED
    for reviewer in (Reviewer.NOBODY, Reviewer.YES):
        assert ends[reviewer, "doubling/script"] is done
        assert ends[reviewer, "doubling/times_two"] is done
        assert ends[reviewer, "doubling/nothing"] is stopped
        assert ends[reviewer, "doubling/squares"] is done  # 2 squared is 2 doubled: the check has a hole
    assert ends[Reviewer.NOBODY, "doubling without checks/script"] is stopped
    for reviewer in (Reviewer.YES, Reviewer.SLY):
        assert ends[reviewer, "doubling without checks/script"] is stopped
        assert ends[reviewer, "doubling without checks/squares"] is stopped
    assert ends[Reviewer.KNOWING, "doubling without checks/script"] is done
    assert ends[Reviewer.KNOWING, "doubling without checks/squares"] is stopped
    for reviewer in (Reviewer.YES_MODEL, Reviewer.NO):
        assert {end for (who, _), end in ends.items() if who is reviewer} == {stopped}


def test_labels_and_verdicts(judged):
    """The label comes from the truth, the verdict from what was seen; the hole shows as a wrong verdict."""
    found = {one.attempt: one for one in judged if one.reviewer is Reviewer.NOBODY and one.is_measured}
    assert found["squares"].label is Label.BAD
    assert found["squares"].truth
    assert not found["squares"].is_right
    assert found["nothing"].says_good is False
    assert found["nothing"].is_right
    assert found["script"].is_right
    assert "double" in found["script"].words


def test_processes_do_not_change_the_result(corpus, judged):
    """Two processes give the same records in the same order."""
    assert measure(written(corpus), Config(), SCRIPTED, jobs=2) == judged


def test_a_label_that_the_truth_contradicts_is_an_error(corpus):
    """All such attempts are named."""
    file = corpus / "attempts" / "double.yaml"
    swapped = file.read_text().replace("label: bad", "label: GOOD").replace("label: good", "label: bad")
    file.write_text(swapped.replace("label: GOOD", "label: good"))
    with pytest.raises(ScenarioError) as error:
        measure(written(corpus), Config(), (Reviewer.NOBODY,))
    assert "doubling/squares is labelled good, but hidden checks fail" in str(error.value)
    assert "doubling/times_two is labelled bad, but all hidden checks pass" in str(error.value)


def test_progress_names_what_is_done(corpus):
    """Up to the last."""
    told = []
    measure(written(corpus)[:2], Config(), (Reviewer.NOBODY,), progress=lambda *what: told.append(what))
    assert told == [(1, 2, "doubling/script"), (2, 2, "doubling/squares")]


def test_a_configured_llm_is_one_more_reviewer():
    """It comes after the scripted ones."""
    config = Config()
    assert reviewers_for(config) == SCRIPTED
    config.set("llm.type", "ollama")
    assert reviewers_for(config) == (*SCRIPTED, Reviewer.MODEL)


def test_the_summary_and_its_page(judged):
    """One false accept of two bad ones, named on the page, and no number that depends on the run."""
    summary = summarise(judged)
    nobody, yes, found_out, sly, no, knowing = summary["reviewers"]
    assert nobody["with_checks"]["false_accepts"]["count"] == yes["with_checks"]["false_accepts"]["count"] == 1
    assert nobody["with_checks"]["false_rejects"]["count"] == 0
    assert nobody["with_checks"]["quality_auc"] == 0.75
    assert found_out["with_checks"]["completed"] == found_out["without_checks"]["completed"] == 0
    assert no["with_checks"]["completed"] == no["without_checks"]["completed"] == 0
    assert sly["without_checks"]["completed"] == 0
    assert knowing["without_checks"]["completed"] == knowing["without_checks"]["good"] == 2
    assert not any(one["lost"] for one in summary["reviewers"])
    assert set(summary["chances"]) == {""}  # nothing is fitted to the one that knows
    text = page(summary, "obra calibrate --out x")
    assert "`doubling/squares` (written)" in text
    assert "1 of 2, 50.0 %" in text
    assert text == page(summarise(judged), "obra calibrate --out x")


def test_what_is_held_back_stands_in_a_section_of_its_own(judged):
    """Its verdicts, its misses and its confidence, under chances that it has no part in."""
    summary = summarise(judged)
    without = page(summary, "x")
    summary["held_back"] = of_held_back(judged, {"": {}})
    assert "thresholds" not in summary["held_back"]["reviewers"][0]
    text = page(summary, "x")
    assert "## Held back" not in without
    assert text.count("`doubling/squares` (written)") == 2 * without.count("`doubling/squares` (written)")
    assert "### Tasks without written checks" in text


def test_a_model_is_named_and_its_yes_is_held_against_the_checklist(corpus):
    """Any LLM can be measured; its chances stand under its own identity."""
    config = Config()
    config.set("llm.type", "obra.calibration.reviewers:YesModel")
    nobody, model = measure(written(corpus)[:1], config, (Reviewer.NOBODY, Reviewer.MODEL))
    assert (nobody.name, nobody.model) == ("doubling/script", "no LLM")
    assert (model.reviewer, model.model) == (Reviewer.MODEL, "yes-model")
    assert model.status is TaskStatus.ESCALATED
    assert "cannot be read" in model.reason
