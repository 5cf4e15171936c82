"""Workers that die, freeze and wake, and a database that goes away: every case ends once, and nothing is left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from dataclasses import replace

import pytest
import sqlalchemy as sa
from field import QUICK, SEVERAL, TWO_ATTEMPTS, each_once, field_of, rows_of
from sqlite_queue import need_sqlite_queue
from takeover import table, takeovers

from obra import StateManager
from obra.errors import AgentUnavailable, RemoteRunFailed
from obra.reports.summary import summarize
from obra.scale.case_run import CaseRunner
from obra.scale.roll import Roll

BOTH = pytest.mark.parametrize("field", ["sqlite", "postgresql"], indirect=True)


def two_attempts(field, name: str, slow: str):
    """A scenario that needs two attempts, writes down each, and takes its time in the second."""
    log = field.folder / f"{name}.log"
    return field.write(name, TWO_ATTEMPTS.format(name=name, log=log, slow=slow)), log


def own_network() -> tuple[str, ...]:
    """Words that give a worker a network of its own, where the kernel lets us; a socket reaches PostgreSQL."""
    words = ("unshare", "-n") if os.geteuid() == 0 else ("unshare", "-rn")
    if not shutil.which("unshare"):
        return ()
    done = subprocess.run([*words, "true"], capture_output=True, check=False)
    return () if done.returncode else words


@BOTH
def test_a_killed_worker_is_survived_when_its_lease_is_over(field):
    """Another worker in another folder goes on: the finished attempt is not run again, its files are there."""
    scenario, log = two_attempts(
        field, "one", f"test -e {field.folder}/once || (touch {field.folder}/once; sleep 300)"
    )
    name = field.submit(scenario)
    first = field.worker()
    field.until(lambda: log.exists() and "second" in log.read_text())
    field.worker()
    field.until(lambda: len(field.runner.workers()) == 2)
    first.kill()
    first.wait()
    field.let_lease_pass(first)
    (case,) = field.wait(name)
    assert (case.state, case.claims, field.attempts(case)) == ("passed", 2, 2)
    assert log.read_text().split() == ["first", "second", "second"]
    (row,) = rows_of(field, (case,))
    assert [len(one["changes"]) for one in row["attempts"]] == [1, 1]
    assert "machine-1" in row["workspace"]
    field.until(lambda: field.processes() == [])
    assert "1 case(s) are put back" in field.log(1)


@pytest.mark.parametrize("field", ["postgresql"], indirect=True)
def test_a_frozen_worker_that_wakes_is_refused(field):
    """Its case ended elsewhere meanwhile; what it brings late is refused with a sentence, and it ends with 1."""
    here = field.folder
    waiting = f"test -e {here}/once || (touch {here}/once; while [ ! -e {here}/woken ]; do sleep 0.05; done)"
    scenario, log = two_attempts(field, "one", waiting)
    name = field.submit(scenario)
    frozen = field.worker()
    field.until(lambda: log.exists() and "second" in log.read_text())
    frozen.send_signal(signal.SIGSTOP)
    field.worker()
    field.let_lease_pass(frozen)
    (case,) = field.wait(name)
    (field.folder / "woken").touch()
    frozen.send_signal(signal.SIGCONT)
    assert frozen.wait(100) == 1
    assert each_once((case,))
    assert (case.claims, field.attempts(case)) == (2, 2)
    assert field.runner.cases(name)[0] == case
    told = field.log(0)
    assert "silent for longer than its lease of 60 s allows" in told
    assert "was broken off" in told
    assert "other workers go on" in told
    field.until(lambda: field.processes() == [])
    field.until(lambda: len(field.runner.workers()) == 1)


def test_many_cases_while_everything_goes_wrong(postgres, tmp_path):
    """Four workers, one killed, one frozen and woken, the server restarted in the middle: 0 lost, 0 doubled."""
    with field_of(tmp_path, postgres.new_database()) as here:
        scenarios = [here.write(f"case{n}", QUICK.format(name=f"case{n}", run="sleep 0.05")) for n in range(8)]
        workers = [here.worker(prefix=own_network()) for _ in range(4)]
        name = here.submit(*scenarios, repeat=3)
        here.until(lambda: sum(one.is_over for one in here.runner.cases(name)) >= 4)
        workers[0].kill()
        workers[1].send_signal(signal.SIGSTOP)
        workers[0].wait()
        postgres.kill()
        postgres.start()
        here.let_lease_pass(*workers[:2])
        cases = here.wait(name)
        workers[1].send_signal(signal.SIGCONT)
        assert len(cases) == 24
        assert each_once(cases), [(one.id, one.state, one.reason) for one in cases if one.state != "passed"]
        assert [here.attempts(one) for one in cases] == [1] * 24
        for worker in workers[2:]:
            worker.send_signal(signal.SIGINT)
        assert [worker.wait(100) for worker in workers[2:]] == [0, 0]
        workers[1].send_signal(signal.SIGINT)
        assert workers[1].wait(100) in (0, 1)
        here.until(lambda: here.processes() == [])


@BOTH
def test_a_shift_that_nobody_knows_to_be_theirs_keeps_no_case_waiting(field):
    """A server that ended between the taking and its answer: by its records a living worker is at work."""
    name = field.submit(field.write("one", QUICK.format(name="one", run="'true'")))
    queue = field.runner._register.database
    Roll(queue).join("unaware", lease=600)
    schema = "" if queue._is_file else "dbos."
    taken = f"UPDATE {schema}workflow_status SET status = 'PENDING', executor_id = 'unaware'"
    assert queue.transact(lambda connection: connection.execute(sa.text(taken)).rowcount) == 1
    field.worker()
    assert each_once(field.wait(name))


def test_a_cancelled_case_ends_its_agent(field):
    """Within seconds, and the worker takes the next one."""
    name = field.submit(field.write("one", QUICK.format(name="one", run="sleep 60")))
    field.worker()
    field.busy(name)
    field.until(lambda: any("sleep" in line for line in field.processes()))
    assert len(field.runner.cancel(name)) == 1
    field.until(lambda: not any("sleep" in line for line in field.processes()))
    assert field.runner.cases(name)[0].state == "cancelled"
    after = field.submit(field.write("two", QUICK.format(name="two", run="'true'")))
    assert each_once(field.wait(after))
    assert "was cancelled" in field.log(0)


def test_a_case_that_kills_its_workers_comes_to_an_end(field):
    """Real workers die of it, as many as the setting lets; the next one tells whom, and does other work."""
    field.options["scale.takeovers"] = 1
    poison = field.write("poison", QUICK.format(name="poison", run="kill -9 $PPID"))
    name = field.submit(poison, field.write("sound", QUICK.format(name="sound", run="'true'")))
    workers = [field.worker() for _ in range(3)]

    def are_over() -> bool:
        field.let_lease_pass(*(one for one in workers if one.poll() is not None))
        return all(one.is_over for one in field.runner.cases(name))

    field.until(are_over)
    killed, sound = field.runner.cases(name)
    told = [killed, *(field.log(number) for number in range(3))]
    assert (killed.state, killed.claims, sound.state) == ("machinery_broke", 3, "passed"), told
    died = [one.pid for one in workers if one.poll() == -signal.SIGKILL]
    assert len(died) == 2
    assert "was under way on 2 workers that were lost with it" in killed.reason
    assert all(f"-{pid}-" in killed.reason for pid in died)
    summary = summarize(rows_of(field, (killed, sound)), not_run=(), exit_status=None, seconds=None)
    assert (summary["pass_rate"], summary["counts"]["machinery_broke"]) == (1.0, 1)
    assert [one["pass_rate"]["of"] for one in summary["statistics"]["cases"]] == [0, 1]


def test_finished_tasks_of_several_are_not_run_again(field):
    """The worker is killed in the second of three: the first stands, the second goes on, the third is begun."""
    log = field.folder / "log"
    slow = f"test -e {field.folder}/killed || sleep 30"
    name = field.submit(field.write("one", SEVERAL.format(name="one", log=log, slow=slow)))
    first = field.worker()
    field.until(lambda: log.exists() and "second" in log.read_text())
    (field.folder / "killed").touch()
    first.kill()
    first.wait()
    field.worker()
    field.let_lease_pass(first)
    (case,) = field.wait(name)
    assert (case.state, case.claims) == ("passed", 2), (case.reason, field.log(1))
    assert log.read_text().split() == ["a", "first", "second", "second", "c"]
    (row,) = rows_of(field, (case,))
    assert [(one["name"], one["status"], one["iterations"]) for one in row["tasks"]] == [
        ("b", "completed", 2), ("a", "completed", 1), ("c", "completed", 1),
    ]  # fmt: skip
    assert ([check["passed"] for check in row["truth"]], "machine-1" in row["workspace"]) == ([True], True)


@pytest.mark.parametrize("text", [QUICK, SEVERAL], ids=["one", "several"])
def test_a_task_that_ended_before_its_worker_told_of_it_is_judged_by_its_own_files(field, monkeypatch, text):
    """Whoever takes it over makes no attempt, and hidden checks look at the files of the last one."""
    monkeypatch.chdir(field.folder)
    runner = field.runner
    log = field.folder / "log"
    name = field.submit(
        field.write("one", text.format(name="one", run=f"echo a >> {log}", log=log, slow="'true'"))
    )
    Roll(runner._register.database).join("gone", lease=30)
    claim = runner._register.claim(name, "gone")
    with StateManager(field.database) as state:
        CaseRunner(
            load=lambda _: field.config(),
            state=state,
            artefacts=runner.artefacts,
            folder=field.folder / "gone",
            remember_task=runner._register.remember_task,
        ).run(claim)
    Roll(runner._register.database).remove("gone")
    field.worker()
    (case,) = field.wait(name)
    assert (case.state, case.claims, field.attempts(case)) == ("passed", 2, 1)
    assert log.read_text().split() == (["a"] if text is QUICK else ["a", "first", "second", "c"])
    (row,) = rows_of(field, (case,))
    assert ([check["passed"] for check in row["truth"]], "machine-0" in row["workspace"]) == ([True], True)


def test_the_time_of_a_takeover_is_measured():
    """As tests/bench/workers.py --kills does: a worker is killed in its turn, and its case goes on elsewhere."""
    need_sqlite_queue()
    found = takeovers("", 1, lease=60, patient=False)
    assert 0 < found[0] < 60
    shown = table({"SQLite": [3.0, 5.0, 9.0]}, 6.0).splitlines()
    assert shown[0].startswith("| kills, lease 6 s |")
    assert shown[-1] == "| 3, SQLite | 3.00 s | 5.00 s | 9.00 s | 1.50 | 1 |"


AWAY = """
from obra.errors import AgentUnavailable

class Away:
    identity = "away"
    def initialize(self, config): raise AgentUnavailable("it is on holiday; ask again in May")
    def is_healthy(self): return False
    def send_prompt(self, prompt, *, limits=None, on_event=None): raise AssertionError
    def cleanup(self): pass
"""


def test_a_task_that_failed_before_its_worker_told_why_has_no_verdict(field, monkeypatch):
    """It may have been the machinery: whoever takes it over makes no attempt and says so."""
    (field.folder / "away.py").write_text(AWAY)
    monkeypatch.syspath_prepend(field.folder)
    monkeypatch.chdir(field.folder)
    config = field.config()
    config.set("agent.type", "away:Away")
    register, tasks = field.runner._register, []
    name = field.submit(field.write("one", QUICK.format(name="one", run="'true'")))
    Roll(register.database).join("gone", lease=30)
    claim = register.claim(name, "gone")
    with StateManager(field.database) as state:
        case = CaseRunner(
            load=lambda _: config,
            state=state,
            artefacts=field.runner.artefacts,
            folder=field.folder / "gone",
            remember_task=lambda _, task: tasks.append(task),
        )
        with pytest.raises(AgentUnavailable, match="on holiday"):
            case.run(claim)
        with pytest.raises(
            RemoteRunFailed, match=r"^task 1 failed \(.*\), and its worker was lost .*: submit the"
        ):
            case.run(replace(claim, number=2, task=tasks[0]))
        assert state.attempts(1) == ()
