"""What only a server can do to us: it goes away, it cuts connections, and many write at once."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest
import sqlalchemy as sa
from test_migrating import VERSIONS, contents, shape

from obra.config import Config
from obra.domain import ScriptStep, TaskStatus
from obra.errors import StateError, TaskBusy
from obra.events import AttemptRecorded, ReviewReceived
from obra.orchestrator import Orchestrator
from obra.state.migrating import migrate
from obra.state.state_manager import StateManager
from obra.state.tables import SCHEMA_VERSION, project_state


@pytest.fixture
def address(postgres):
    """The address of an empty database."""
    return postgres.new_database()


@pytest.fixture
def state(address):
    """An open manager that waits for the server for some seconds."""
    with StateManager(address, busy_timeout=100) as opened:
        yield opened


def new_task(state, tmp_path):
    """Store a task with a folder of its own."""
    project = state.create_project("p", working_dir=tmp_path / "work")
    return state.create_task(project.id, {"title": "Write a.txt", "checks": [{"file": "a.txt"}]})


@pytest.mark.parametrize("version", VERSIONS)
def test_down_and_up_again(address, make_attempt, version):
    """Migrations do the same as on SQLite, and end with the tables that a new database gets."""
    with StateManager(address) as manager:
        task = manager.create_task(manager.create_project("p").id, {"title": "t"})
        manager.start_task(task.id, base_snapshot="b")
        manager.record_attempt(make_attempt(task.id, 1), status=TaskStatus.ESCALATED)
    before, new = contents(address), shape(address)
    assert migrate(address, version) is None
    assert contents(address) == before
    assert shape(address) == new


def test_a_newer_database_is_refused(address):
    """With both versions, and without a password."""
    StateManager(address).close()
    engine = sa.create_engine(address)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(StateError, match=f"version 9999, this Obra .* 0001 to {SCHEMA_VERSION}: a newer Obra"):
        StateManager(address)


@pytest.mark.parametrize("old", [False, True])
def test_processes_that_open_a_database_at_once_all_succeed(address, old):
    """One makes or migrates the tables, the others wait for it."""
    if old:
        StateManager(address).close()
        migrate(address, "0001")
    program = (
        "import sys; from obra.state.state_manager import StateManager; print(flush=True); input()\n"
        "with StateManager(sys.argv[1]) as m: m.create_project('by a child')"
    )
    pipe = subprocess.PIPE
    children = [
        subprocess.Popen([sys.executable, "-c", program, address], stdin=pipe, stdout=pipe, text=True)
        for _ in range(3)
    ]
    for child in children:
        child.stdout.readline()
    for child in children:
        child.stdin.write("\n")
        child.stdin.flush()
    for child in children:
        child.communicate()
    assert [child.returncode for child in children] == [0, 0, 0]
    with StateManager(address) as manager:
        assert len(manager.projects()) == 3


def test_connections_that_were_cut_are_made_again(postgres, state):
    """Between two transactions nobody notices."""
    state.create_project("before")
    postgres.cut_connections()
    state.create_project("after")
    assert [project.name for project in state.projects()] == ["before", "after"]


def test_a_connection_cut_within_a_transaction_is_no_loss_and_nothing_twice(postgres, state):
    """What was not committed is done again as a whole."""
    seen = []

    def work(connection):
        connection.run(sa.text("INSERT INTO project_state (project_name, created_at, updated_at) "
                               "VALUES ('once', now(), now())"))  # fmt: skip
        if not seen:
            seen.append("cut")
            postgres.cut_connections()
        return len(connection.rows(sa.select(project_state.c.id)))

    assert state._database.write(work) == 1
    assert [project.name for project in state.projects()] == ["once"]


def test_a_server_that_stays_away_is_an_error_after_the_busy_timeout(postgres, address):
    """It is waited for as long as asked, and no longer."""
    with StateManager(address, busy_timeout=0.5) as manager:
        postgres.kill()
        try:
            begin = time.monotonic()
            with pytest.raises(StateError, match="check database.url and that its server runs"):
                manager.projects()
            assert time.monotonic() - begin > 0.4
        finally:
            postgres.start()
        assert manager.projects() == ()


def test_a_run_survives_a_server_that_restarts_in_the_middle(postgres, state, tmp_path):
    """Each attempt is recorded once, and the outcome is the right one."""
    config = Config.load(rung="mock")
    config.set("workspace.store", str(tmp_path / "store"))
    task = new_task(state, tmp_path)
    script = [ScriptStep(say="Half.", write={"b.txt": "b"}), ScriptStep(say="Done.", write={"a.txt": "a"})]
    threads = []

    def restart(event):
        if isinstance(event, (ReviewReceived, AttemptRecorded)):
            postgres.kill()
            threads.append(threading.Thread(target=postgres.start))
            threads[-1].start()

    with Orchestrator(
        config, state_manager=state, script=script, reviewer=[{"score": 40}, {"score": 95}], observers=[restart]
    ) as orchestrator:
        outcome = orchestrator.execute_task(task.id)
    for thread in threads:
        thread.join()
    assert outcome.status is TaskStatus.COMPLETED
    assert [attempt.number for attempt in state.attempts(task.id)] == [1, 2]
    assert state.steps(task.id) == ()


def test_one_of_two_that_start_a_task_at_once_wins(state, address):
    """The row is locked: the second sees that the first has it."""
    task = state.create_task(state.create_project("p").id, {"title": "t"})
    program = (
        "import sys; from obra.errors import TaskBusy; from obra.state.state_manager import StateManager\n"
        "with StateManager(sys.argv[1]) as m:\n"
        "    print('ready', flush=True); input()\n"
        "    try: m.start_task(1); print('won', flush=True)\n"
        "    except TaskBusy: print('lost', flush=True)\n"
        "    input()"
    )
    pipe = subprocess.PIPE
    children = [
        subprocess.Popen([sys.executable, "-c", program, address], stdin=pipe, stdout=pipe, text=True)
        for _ in range(2)
    ]
    for child in children:
        assert child.stdout.readline() == "ready\n"
    for child in children:
        child.stdin.write("\n")
        child.stdin.flush()
    assert sorted(child.stdout.readline() for child in children) == ["lost\n", "won\n"]
    with pytest.raises(TaskBusy):
        state.start_task(task.id)
    for child in children:
        child.communicate("\n")


def test_a_row_that_somebody_holds_is_an_error_after_the_busy_timeout(address):
    """The wait is that of the busy timeout, as in SQLite."""
    with StateManager(address, busy_timeout=0.3) as manager, StateManager(address) as other:
        task = manager.create_task(manager.create_project("p").id, {"title": "t"})

        def hold(connection):
            connection.run(sa.text("SELECT * FROM task FOR UPDATE"))
            with pytest.raises(StateError, match="lock timeout; another process holds that row"):
                manager.start_task(task.id)

        other._database.write(hold)
        assert manager.start_task(task.id).status is TaskStatus.RUNNING
