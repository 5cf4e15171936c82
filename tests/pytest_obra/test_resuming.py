"""pytest --obra-resume: after kill -9 or Ctrl-C nothing is run twice, and the whole run is reported."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import prepared_programs
import pytest

from pytest_obra.resuming import Resumption

QUICK = """\
name: {name}
task: {{title: Write a.txt}}
checks: [{{file: a.txt}}]
script: [{{say: Done., write: {{a.txt: a}}, run: "echo turn >> {folder}/{name}.log"}}]
reviewer: [{{score: {score}}}]
expect: {{truth: [{{contains: {{file: a.txt, text: a}}}}]}}
"""
SLOW = """\
name: slow
task: {{title: Write a.txt}}
checks: [{{file: a.txt}}]
script:
  - {{say: Half., write: {{b.txt: b}}, run: "echo one >> {folder}/slow.log"}}
  - say: Done.
    write: {{a.txt: a}}
    run:
      - echo two >> {folder}/slow.log
      - touch {folder}/waiting; while [ ! -e {folder}/go ]; do sleep 0.05; done
reviewer: [{{score: 40}}, {{score: 95}}]
expect: {{iterations: {{min: 2, max: 2}}, truth: [{{contains: {{file: a.txt, text: a}}}}]}}
"""


SEVERAL = """\
name: {name}
tasks:
  - name: first
    task: {{title: Write a.txt}}
    checks: [{{file: a.txt}}]
    script: [{{say: Done., write: {{a.txt: a}}, run: "echo first >> {folder}/{name}.log"}}]
    reviewer: [{{score: 95}}]
  - name: second
    after: first
    task: {{title: Write b.txt}}
    checks: [{{file: b.txt}}]
    script:
      - {{say: Half., write: {{c.txt: c}}, run: "echo half >> {folder}/{name}.log"}}
      - {{say: Done., write: {{b.txt: b}}, run: ["echo second >> {folder}/{name}.log", "{waits}"]}}
    reviewer: [{{score: 40}}, {{score: 95}}]
  - name: third
    after: second
    task: {{title: Write d.txt}}
    checks: [{{file: d.txt}}]
    script: [{{say: Done., write: {{d.txt: d}}, run: "echo third >> {folder}/{name}.log"}}]
    reviewer: [{{score: 95}}]
expect: {{truth: [{{file: [a.txt, b.txt, d.txt]}}]}}
"""
WAITS = "touch {folder}/waiting; while [ ! -e {folder}/go ]; do sleep 0.05; done"


def rows_of(run):
    """The rows of a run, by scenario, but for one that is being written."""
    lines = (run / "results.jsonl").read_text().splitlines(keepends=True)
    return {row["scenario"]: row for row in (json.loads(line) for line in lines if line.endswith("\n"))}


def is_waiting(folder):
    """Tell whether the slow scenario waits in its second turn, and every other that began has its row."""
    if not (folder / "waiting").exists():
        return False
    stored = {name for file in folder.glob("reports/*/results.jsonl") for name in rows_of(file.parent)}
    return {"a_good", "b_bad"} | {log.stem for log in folder.glob("*.log")} - {"slow"} <= stored


@pytest.mark.parametrize(
    ("number", "workers"), [(signal.SIGKILL, ()), (signal.SIGINT, ()), (signal.SIGKILL, ("-n", "2"))]
)
def test_an_interrupted_run_goes_on(tmp_path, number, workers):
    """Finished scenarios keep their row and their verdict; the one under way goes on behind its last step."""
    if workers:
        pytest.importorskip("xdist")
    for name, score in (("a_good", 95), ("b_bad", 10)):
        (tmp_path / f"{name}.obra.yaml").write_text(QUICK.format(name=name, score=score, folder=tmp_path))
    (tmp_path / "c_slow.obra.yaml").write_text(SLOW.format(folder=tmp_path))
    (tmp_path / "d_last.obra.yaml").write_text(QUICK.format(name="d_last", score=95, folder=tmp_path))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp", tmp_path / "kept"]
    whole = {"start_new_session": True, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([*command, *workers], cwd=tmp_path, **whole) as process:
        end = time.monotonic() + 200
        while not is_waiting(tmp_path):
            assert time.monotonic() < end
            time.sleep(0.02)
        # A worker whose controller alone was killed lives on and ends its test, so the machine takes all of them.
        os.killpg(process.pid, number)
        process.communicate()
    (first,) = (tmp_path / "reports").iterdir()
    finished = set(rows_of(first)) - {"slow"}
    assert finished >= {"a_good", "b_bad"}

    (tmp_path / "go").touch()
    command[-1] = tmp_path / "again"  # the folders of the killed run must stay
    words = map(str, [*command[3:], *workers, "--obra-resume"])
    done = prepared_programs.run("pytest", [*words], folder=tmp_path, variables=os.environ)
    assert done.code == 1, done.out  # b_bad is as bad as it was
    assert "3 passed" in done.out
    (second,) = set((tmp_path / "reports").iterdir()) - {first}
    rows = rows_of(second)
    assert set(rows) == {"a_good", "b_bad", "slow", "d_last"}
    assert {name for name, row in rows.items() if row.get("taken_over") == first.name} == finished
    for name in finished:
        assert rows[name]["attempts"] == rows_of(first)[name]["attempts"]
    assert (rows["slow"]["result"], rows["slow"]["iterations"]) == ("passed", 2)
    assert (tmp_path / "slow.log").read_text() == "one\ntwo\ntwo\n"  # the broken turn, and that turn again
    for name in ("a_good", "d_last"):
        assert (tmp_path / f"{name}.log").read_text() == "turn\n"


def test_what_an_earlier_run_finished_is_not_taken_for_the_interrupted_one(tmp_path):
    """Its report was removed; what it found says nothing of a scenario that has been changed since."""
    (tmp_path / "a_good.obra.yaml").write_text(QUICK.format(name="a_good", score=95, folder=tmp_path))
    (tmp_path / "c_slow.obra.yaml").write_text(SLOW.format(folder=tmp_path))
    last = tmp_path / "d_last.obra.yaml"
    last.write_text(QUICK.format(name="d_last", score=95, folder=tmp_path))
    (tmp_path / "go").touch()
    words = ["-q", "-p", "no:cacheprovider", "--basetemp", str(tmp_path / "kept")]
    assert prepared_programs.run("pytest", words, folder=tmp_path, variables=os.environ).code == 0
    shutil.rmtree(tmp_path / "reports")
    (tmp_path / "go").unlink()
    (tmp_path / "waiting").unlink()
    last.write_text(QUICK.format(name="d_last", score=10, folder=tmp_path))

    whole = {"start_new_session": True, "stdout": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, "-m", "pytest", *words], cwd=tmp_path, **whole) as process:
        end = time.monotonic() + 200
        while not (tmp_path / "waiting").exists():
            assert time.monotonic() < end
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
    (tmp_path / "go").touch()
    words[-1] = str(tmp_path / "again")  # the folders of the killed run must stay
    done = prepared_programs.run("pytest", [*words, "--obra-resume"], folder=tmp_path, variables=os.environ)
    assert "scenarios: 3, 2 passed, 1 wrong" in done.out, done.out
    assert (tmp_path / "d_last.log").read_text().splitlines() == ["turn", "turn"]
    assert done.code == 1


def test_a_run_that_came_to_its_end_is_asked_for_nothing_that_it_did_not_tell(tmp_path):
    """A row is missing in it, and the task is over: that is no interrupted run, so the test runs anew."""
    (tmp_path / "a.obra.yaml").write_text(QUICK.format(name="a", score=95, folder=tmp_path))
    words = ["-q", "-p", "no:cacheprovider", "--basetemp", str(tmp_path / "kept")]
    assert prepared_programs.run("pytest", words, folder=tmp_path, variables=os.environ).code == 0
    (rows,) = tmp_path.glob("reports/*/results.jsonl")
    rows.write_text("")
    words[-1] = str(tmp_path / "again")
    assert (
        prepared_programs.run("pytest", [*words, "--obra-resume"], folder=tmp_path, variables=os.environ).code == 0
    )
    assert (tmp_path / "a.log").read_text().splitlines() == ["turn", "turn"]


def test_a_scenario_whose_file_was_changed_runs_anew(tmp_path):
    """What the interrupted run found says nothing about it, whether there was time for its row or not."""
    for name in ("told", "told_changed", "untold", "untold_changed"):
        (tmp_path / f"{name}.obra.yaml").write_text(QUICK.format(name=name, score=95, folder=tmp_path))
    words = ["-q", "-p", "no:cacheprovider", "--basetemp", str(tmp_path / "kept")]
    assert prepared_programs.run("pytest", words, folder=tmp_path, variables=os.environ).code == 0
    (run,) = tmp_path.glob("reports/*")
    lines = (run / "results.jsonl").read_text().splitlines(keepends=True)
    (run / "results.jsonl").write_text("".join(line for line in lines if '"scenario":"told' in line))
    (run / "summary.json").unlink()  # as if it had been killed
    for name in ("told_changed", "untold_changed"):
        (tmp_path / f"{name}.obra.yaml").write_text(QUICK.format(name=name, score=10, folder=tmp_path))
    words[-1] = str(tmp_path / "again")
    done = prepared_programs.run("pytest", [*words, "--obra-resume"], folder=tmp_path, variables=os.environ)
    assert "scenarios: 4, 2 passed, 2 wrong" in done.out, done.out
    turns = {log.stem: len(log.read_text().splitlines()) for log in tmp_path.glob("*.log")}
    assert turns == {"told": 1, "told_changed": 2, "untold": 1, "untold_changed": 2}


def test_without_an_interrupted_run_everything_runs(tmp_path):
    """A run that came to its end is not gone on with; the header says so."""
    (tmp_path / "a.obra.yaml").write_text(QUICK.format(name="a", score=95, folder=tmp_path))
    words = ["-p", "no:cacheprovider", "--obra-resume"]
    for _ in range(2):
        done = prepared_programs.run("pytest", words, folder=tmp_path, variables=os.environ)
        assert done.code == 0, done.out
        assert "obra: the newest run was not interrupted" in done.out
    assert (tmp_path / "a.log").read_text() == "turn\nturn\n"


def test_a_scenario_with_several_tasks_goes_on_from_the_first_that_is_not_over(tmp_path):
    """Killed in the second of three: the first stands, the second goes on; one with a row is taken over."""
    for name, waits in (("a_over", "true"), ("b_killed", WAITS.format(folder=tmp_path))):
        text = SEVERAL.format(name=name, folder=tmp_path, waits=waits)
        (tmp_path / f"{name}.obra.yaml").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp", tmp_path / "kept"]
    with subprocess.Popen(command, cwd=tmp_path, start_new_session=True, stdout=subprocess.PIPE) as process:
        end = time.monotonic() + 200
        while not (tmp_path / "waiting").exists():
            assert time.monotonic() < end
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    (first,) = (tmp_path / "reports").iterdir()
    (tmp_path / "go").touch()
    words = ["-q", "-p", "no:cacheprovider", "--obra-resume", "--basetemp", str(tmp_path / "kept")]
    done = prepared_programs.run("pytest", words, folder=tmp_path, variables=os.environ)  # its folders are gone
    assert done.code == 0, done.out
    (second,) = set((tmp_path / "reports").iterdir()) - {first}
    over, killed = rows_of(second)["a_over"], rows_of(second)["b_killed"]
    assert (over["taken_over"], "taken_over" in killed) == (first.name, False)
    assert [(one["name"], one["status"], one["iterations"]) for one in killed["tasks"]] == [
        ("first", "completed", 1), ("second", "completed", 2), ("third", "completed", 1),
    ]  # fmt: skip
    assert (tmp_path / "a_over.log").read_text().split() == ["first", "half", "second", "third"]
    assert (tmp_path / "b_killed.log").read_text().split() == ["first", "half", "second", "second", "third"]


def test_the_first_verdict_of_a_test_that_ran_again_is_taken_over(tmp_path):
    """A false accept that a rerun turned into a pass is still one after a kill; broken machinery is none."""
    run = tmp_path / "20260101-000000-aaaaaa"
    run.mkdir()
    results = [("a", "verdict_wrong"), ("a", "passed"), ("b", "machinery_broke"), ("b", "passed")]
    lines = [json.dumps({"node": node, "result": result}) for node, result in results]
    (run / "results.jsonl").write_text("\n".join(lines) + '\n{"node": "c", "res')
    rows = Resumption.newest(tmp_path).rows
    assert {node: row["result"] for node, row in rows.items()} == {"a": "verdict_wrong", "b": "passed"}
    assert {row["taken_over"] for row in rows.values()} == {run.name}
