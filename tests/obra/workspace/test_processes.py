"""Programs that try to stay: every one of them is found and ended."""

import errno
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from refusing_kernel import with_refusal

from obra.errors import WorkspaceError
from obra.workspace.processes import ProcessTree, clean_environment, run_command

PYTHON = sys.executable


@pytest.fixture
def environment(tmp_path):
    """A clean environment with a private home."""
    return clean_environment(tmp_path / "home")


def run(command, tmp_path, environment, timeout=60.0, max_output=10_000):
    """Run one command with settings that most tests share."""
    return run_command(command, cwd=tmp_path, environment=environment, timeout=timeout, max_output=max_output)


def until(condition, seconds=60.0):
    """Wait until *condition* is true; return what it gave last."""
    deadline = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(0.005)
    return found


def is_alive(process):
    """Tell whether the process is there and no zombie."""
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def read_ids(path, count):
    """Return the process ids that a program under test has written to *path*, one a line."""
    assert until(lambda: path.exists() and len(path.read_text().split()) >= count)
    return [int(word) for word in path.read_text().split()]


def test_clean_environment_holds_nothing_else(tmp_path):
    """Only the allow-list and the extras are there, whatever the parent has."""
    os.environ["OBRA_TEST_SECRET"] = "hunter2"
    try:
        found = clean_environment(tmp_path / "deep" / "home", {"EXTRA": "1", "TERM": "xterm"})
    finally:
        del os.environ["OBRA_TEST_SECRET"]
    assert set(found) == {
        "PATH", "HOME", "LANG", "LC_ALL", "TERM", "TMPDIR", "PYTHONDONTWRITEBYTECODE", "EXTRA"
    }  # fmt: skip
    assert found["HOME"] == str(tmp_path / "deep" / "home")
    assert found["TERM"] == "xterm"
    assert Path(found["TMPDIR"]).is_dir()
    assert Path(found["TMPDIR"]).is_relative_to(found["HOME"])


def test_python_is_the_python_that_runs_obra(tmp_path, environment):
    """The bare word python starts our own interpreter, in its own environment."""
    result = run(["python", "-c", "import sys; print(sys.prefix)"], tmp_path, environment)
    assert result.output.strip() == sys.prefix


def test_python_is_found_where_only_python3_exists(tmp_path):
    """A system without the name python gets it from the private home."""
    only = tmp_path / "bin" / "python3"
    only.parent.mkdir()
    only.symlink_to(os.path.realpath(PYTHON))
    code = (
        "import pathlib, subprocess, obra.workspace.processes as p, sys\n"
        f"sys.executable = {str(only)!r}\n"
        "e = p.clean_environment(pathlib.Path(sys.argv[1]))\n"
        "e = p.clean_environment(pathlib.Path(sys.argv[1]))\n"
        "print(subprocess.check_output(['python', '-c', 'print(6 * 7)'], env=e).decode())\n"
    )
    done = subprocess.run(
        [PYTHON, "-c", code, str(tmp_path / "home")], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "42", done.stderr


def test_relative_folders_of_path_are_left_out(tmp_path):
    """A blank or relative part of PATH would make the workspace a place for programs."""
    before = os.environ["PATH"]
    os.environ["PATH"] = os.pathsep.join(["", ".", "bin", before])
    try:
        parts = clean_environment(tmp_path)["PATH"].split(os.pathsep)
    finally:
        os.environ["PATH"] = before
    assert all(Path(part).is_absolute() for part in parts)
    assert len(parts) == len(set(parts))


def test_result_of_a_command(tmp_path, environment):
    """Exit code, both streams in order, no time-out, nothing swept."""
    result = run("echo out; echo err >&2; exit 3", tmp_path, environment)
    assert (result.exit_code, result.output, result.timed_out, result.swept) == (3, "out\nerr\n", False, 0)
    assert result.seconds > 0
    assert result["exit_code"] == 3


def test_standard_input_is_empty(tmp_path, environment):
    """A command that reads its input sees its end at once."""
    assert run(["cat"], tmp_path, environment).exit_code == 0


def test_death_by_signal_is_a_negative_code(tmp_path, environment):
    """A crash is told from an exit."""
    assert run("kill -SEGV $$", tmp_path, environment).exit_code == -signal.SIGSEGV


def test_missing_program(tmp_path, environment):
    """A program that is not there is named; a shell line gives 127 as always."""
    with pytest.raises(WorkspaceError, match=r"no-such-program-of-obra.*PATH"):
        run(["no-such-program-of-obra"], tmp_path, environment)
    assert run("no-such-program-of-obra", tmp_path, environment).exit_code == 127


@pytest.mark.parametrize("program", ["./moved", "{}/moved"])
def test_missing_interpreter(tmp_path, environment, program):
    """A script of a virtual environment that was moved is there, and is not said to be missing itself."""
    (tmp_path / "moved").write_text("#!/nowhere/bin/python\n")
    (tmp_path / "moved").chmod(0o755)
    with pytest.raises(WorkspaceError, match=r"moved': the interpreter named in its first line is not there; in"):
        run([program.format(tmp_path)], tmp_path, environment)


@pytest.mark.parametrize("command", ["true", ["true"]])
def test_missing_folder(tmp_path, environment, command):
    """A working folder that is gone is named, not the program."""
    with pytest.raises(WorkspaceError, match=r"folder .*gone is not there"):
        run(command, tmp_path / "gone", environment)


@pytest.mark.parametrize("command", [[], ["tr\0ue"], ["echo", "x" * 300_000]])
def test_impossible_commands_are_clear_errors(tmp_path, environment, command):
    """Nothing, a zero byte, and an argument beyond the kernel's limit do not end in a foreign exception."""
    with pytest.raises(WorkspaceError, match="cannot run"):
        run(command, tmp_path, environment)


def test_program_without_the_right_to_run(tmp_path, environment):
    """A file that is no program is said to be so."""
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(WorkspaceError, match="Permission denied"):
        run(["./notes.txt"], tmp_path, environment)


def test_broken_utf8_is_replaced(tmp_path, environment):
    """Bytes that are no text arrive as the replacement character."""
    assert run(r"printf 'a\377b'", tmp_path, environment).output == "a�b"


def test_flood_is_drained_and_kept_small(tmp_path, environment):
    """A hundred megabytes go through and leave head and tail, within little memory."""
    before = psutil.Process().memory_info().rss
    code = "import sys\nprint('first')\nfor _ in range(1600): sys.stdout.write('x' * 65536)\nprint('last')"
    result = run([PYTHON, "-c", code], tmp_path, environment, max_output=500)
    assert result.exit_code == 0
    assert len(result.output) == 500
    assert result.output.startswith("first\n")
    assert result.output.endswith("last\n")
    assert "104857611 bytes in all" in result.output
    assert psutil.Process().memory_info().rss - before < 30_000_000


def cut_short(command, tmp_path, environment, wanted):
    """Run a command without an end, with the first time limit in which it says what is wanted."""
    for limit in (0.2, 2, 2, 30):
        result = run(command, tmp_path, environment, timeout=limit)
        assert result.timed_out
        if wanted in result.output:
            break
    return result


def test_time_limit_ends_a_stubborn_program(tmp_path, environment):
    """A program that ignores polite signals is gone after the limit, with its output kept."""
    result = cut_short(
        "trap '' INT TERM; echo started; while :; do sleep 1; done", tmp_path, environment, "started"
    )
    assert (result.exit_code, result.output) == (None, "started\n")
    assert result.swept >= 1


def test_time_limit_lets_a_program_say_where_it_hung(tmp_path, environment):
    """Python gets SIGINT first, so its traceback stands in the output."""
    code = "import time\nprint('here', flush=True)\ntime.sleep(60)"
    wanted = "KeyboardInterrupt"
    assert wanted in cut_short([PYTHON, "-c", code], tmp_path, environment, wanted).output


def test_output_closed_early_is_no_end(tmp_path, environment):
    """A program that closes its output and works on is waited for."""
    result = run("echo a; exec >&- 2>&-; sleep 0.2; exit 7", tmp_path, environment)
    assert (result.exit_code, result.output) == (7, "a\n")
    assert result.seconds >= 0.2


def test_orphan_that_holds_the_pipe(tmp_path, environment):
    """A child left behind with our pipe in its hand neither hangs us nor survives."""
    result = run("sleep 61 & echo $! > id; echo done", tmp_path, environment)
    assert (result.exit_code, result.output, result.swept) == (0, "done\n", 1)
    assert result.seconds < 60  # the child would have held it for 61
    assert not is_alive(read_ids(tmp_path / "id", 1)[0])


FLIGHTS = {
    "setsid": "setsid sleep 62 & echo $! > id",
    "setsid-shell": "setsid sh -c 'echo $$ > id; exec sleep 63' &",
    "double-fork": "(setsid sh -c '(sleep 64 & echo $! > id) &' &)",
    "no-environment": "(env -i PATH=$PATH setsid sh -c 'echo $$ > id; exec sleep 65' &)",
    "ignores-signals": "nohup sh -c 'trap \"\" TERM INT HUP; echo $$ > id; sleep 66; sleep 67' >log 2>&1 &",
}


@pytest.mark.parametrize("flight", FLIGHTS.values(), ids=FLIGHTS)
def test_no_flight_succeeds(tmp_path, environment, flight):
    """Whatever a command starts to outlive itself is ended after its success."""
    result = run(flight + "\nwhile [ ! -s id ]; do sleep 0.01; done", tmp_path, environment)
    assert result.exit_code == 0, result.output
    assert result.swept >= 1
    assert not is_alive(read_ids(tmp_path / "id", 1)[0])


def test_no_zombies_are_left(tmp_path, environment):
    """Orphans that end by themselves, in a session of their own too, are reaped."""
    line = "setsid true & echo $! >> ids; (setsid sh -c 'sleep 0.01 & echo $! >> ids' &)"
    run(f"{line}; while [ $(wc -l < ids) -lt 2 ]; do sleep 0.01; done; sleep 0.1", tmp_path, environment)
    ended = read_ids(tmp_path / "ids", 2)  # other tests of this process may have left some
    assert not [child for child in psutil.Process().children() if child.pid in ended]


def test_survivors_are_found_across_sessions(tmp_path, environment):
    """survivors() shows the program and its child in another session, and nothing once all is over."""
    tree = ProcessTree("setsid sleep 66 & echo $! > id; wait", cwd=tmp_path, environment=environment)
    child = read_ids(tmp_path / "id", 1)[0]
    assert until(lambda: {tree.process.pid, child} <= {found.pid for found in tree.survivors()})
    assert tree.sweep() >= 2
    assert tree.survivors() == []
    assert tree.process.returncode == -signal.SIGKILL
    assert tree.sweep() == 0


def test_survivors_after_the_program_ended(tmp_path, environment):
    """A child in its own session is still known when its parent is dead."""
    tree = ProcessTree("setsid sleep 67 & echo $! > id", cwd=tmp_path, environment=environment)
    assert tree.wait(60) == 0
    assert [found.pid for found in tree.survivors()] == read_ids(tmp_path / "id", 1)
    assert tree.stop() == 1


def test_stop_asks_politely_first(tmp_path, environment):
    """A program that answers SIGINT ends by its own code and nothing is killed."""
    tree = ProcessTree(
        "trap 'exit 9' INT; echo > ready; while :; do sleep 0.01; done", cwd=tmp_path, environment=environment
    )
    assert until((tmp_path / "ready").exists)
    assert tree.stop(((signal.SIGINT, 60),)) == 0
    assert tree.process.returncode == 9


def test_stop_climbs_the_ladder(tmp_path, environment):
    """A program deaf to SIGINT gets SIGTERM, one deaf to both is killed."""
    for traps, code, patience in (("INT", -signal.SIGTERM, 60), ("INT TERM", -signal.SIGKILL, 0.1)):
        tree = ProcessTree(f"trap '' {traps}; echo > ready; exec sleep 68", cwd=tmp_path, environment=environment)
        assert until((tmp_path / "ready").exists)
        (tmp_path / "ready").unlink()
        killed = tree.stop(((signal.SIGINT, 0.1), (signal.SIGTERM, patience)))
        assert tree.process.returncode == code
        assert killed == (code == -signal.SIGKILL)


def test_stop_does_not_ask_who_cannot_hear(tmp_path, environment):
    """A program that was stopped is killed at once, however long the ladder is."""
    tree = ProcessTree(["sleep", "68"], cwd=tmp_path, environment=environment)
    tree.process.send_signal(signal.SIGSTOP)
    assert until(lambda: psutil.Process(tree.process.pid).status() == psutil.STATUS_STOPPED)
    started = time.monotonic()
    assert tree.stop(((signal.SIGINT, 60),)) == 1
    assert time.monotonic() - started < 60
    assert tree.process.returncode == -signal.SIGKILL


def test_two_trees_do_not_touch_each_other(tmp_path, environment):
    """Sweeping one tree leaves its neighbour and our other children alone."""
    foreign = subprocess.Popen(["sleep", "69"], start_new_session=True)
    one = ProcessTree("setsid sleep 70 & wait", cwd=tmp_path, environment=environment)
    other = ProcessTree(["sleep", "71"], cwd=tmp_path, environment=environment)
    try:
        assert one.marker != other.marker
        assert until(lambda: len(one.survivors()) == 2)
        assert one.sweep() == 2
        assert other.process.poll() is None
        assert foreign.poll() is None
    finally:
        other.sweep()
        foreign.kill()
        foreign.wait()


def test_commands_in_threads(tmp_path, environment):
    """Eight commands at once in threads each give their own answer and sweep their own orphan."""
    results = {}

    def work(number):
        results[number] = run(f"setsid sleep 72 & echo {number}", tmp_path, environment)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {number: result.output for number, result in results.items()} == {n: f"{n}\n" for n in range(8)}
    assert sum(result.swept for result in results.values()) == 8


def test_sweeping_nothing_may_be_done_again(tmp_path, environment):
    """Nobody is left, and nobody is ended, however often it is asked."""
    tree = ProcessTree(["true"], cwd=tmp_path, environment=environment)
    tree.wait()
    assert [tree.sweep() for _ in range(3)] == [0, 0, 0]


def test_search_finds_the_same_without_the_kernel(tmp_path, environment):
    """Where orphans do not come to us, psutil's walk over all processes finds them by the marker."""
    tree = ProcessTree("setsid sleep 73 & echo $! > id; wait", cwd=tmp_path, environment=environment)
    try:
        child = read_ids(tmp_path / "id", 1)[0]
        assert until(lambda: set(tree._alive_by_search()) == {tree.process.pid, child})
    finally:
        tree.sweep()
    assert tree._alive_by_search() == []


SUPERVISOR = """
import pathlib, sys, time
from obra.workspace.processes import ProcessTree, clean_environment, run_command
here = pathlib.Path(sys.argv[1])
line = "sleep 74 & echo $! >> ids; setsid sleep 75 & echo $! >> ids; " \\
       "(env -i PATH=$PATH setsid sh -c 'echo $$ >> ids; exec sleep 76' &); echo $$ >> ids; wait; sleep 77"
environment = clean_environment(here / "home")
if sys.argv[2] == "agent":
    tree = ProcessTree(line, cwd=here, environment=environment)
    time.sleep(60)
elif sys.argv[2] == "forget":
    tree = ProcessTree(line, cwd=here, environment=environment)
    while not (here / "ids").exists() or len((here / "ids").read_text().split()) < 4:
        time.sleep(0.01)
else:
    run_command(line, cwd=here, environment=environment, timeout=60, max_output=100)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("kind", ["agent", "command", "forget"])
def test_nothing_outlives_a_killed_supervisor(tmp_path, kind):
    """After kill -9 of the supervisor, or its end without sweeping, the whole tree is gone."""
    with subprocess.Popen([PYTHON, "-W", "ignore", "-c", SUPERVISOR, str(tmp_path), kind]) as supervisor:
        ids = read_ids(tmp_path / "ids", 4)
        if kind != "forget":
            assert all(is_alive(process) for process in ids)
            supervisor.kill()
        supervisor.wait(60)
        assert until(lambda: not any(is_alive(process) for process in ids))


def test_nested_supervisor_is_found_by_the_outer_one(tmp_path, environment):
    """What an Obra inside a command left behind belongs to the outer tree as well."""
    tree = ProcessTree([PYTHON, "-c", SUPERVISOR, str(tmp_path), "agent"], cwd=tmp_path, environment=environment)
    ids = read_ids(tmp_path / "ids", 4)
    tree.process.kill()
    tree.wait(60)
    tree.sweep()
    assert not any(is_alive(process) for process in ids)


def test_a_forked_child_supervises_for_itself(tmp_path, environment):
    """After a plain fork the child has markers of its own and its own guard."""
    tree = ProcessTree(["sleep", "78"], cwd=tmp_path, environment=environment)
    code = (
        "import os, pathlib, sys\n"
        "from obra.workspace.processes import run_command\n"
        "from obra.workspace.supervision import supervisor\n"
        "outer = supervisor().number\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    r = run_command('echo inner', cwd=pathlib.Path('.'), environment={},\n"
        "        timeout=60, max_output=99)\n"
        "    assert supervisor().number != outer and r.output == 'inner\\n'\n"
        "    supervisor().release()\n"
        "    os._exit(5)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    try:
        assert run([PYTHON, "-W", "ignore", "-c", code], tmp_path, environment).output.strip() == "5"
    finally:
        assert tree.sweep() == 1


BACKGROUND = """
import pathlib, signal, time
from obra.workspace.processes import ProcessTree
tree = ProcessTree(["sleep", "60"], cwd=pathlib.Path.cwd(), environment={"PATH": "/usr/bin:/bin"})
time.sleep(0.1)
signal.raise_signal(signal.SIGINT)  # still ignored here
print(tree.stop([(signal.SIGINT, 50.0)]), tree.process.returncode)
"""


def test_in_the_background_of_a_shell_a_program_still_hears_ctrl_c():
    """There SIGINT is ignored, which programs inherit; those of ours do not, and end at the first rung."""
    command = f"trap '' INT; exec {shlex.quote(sys.executable)} -c {shlex.quote(BACKGROUND)}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["0", "-2"]


def test_a_process_that_cannot_be_killed_is_named(tmp_path):
    """It may be another user's, or hang in the kernel: its number is told, and nobody waits for ever."""
    code = """
import pathlib, subprocess, sys
from obra.errors import WorkspaceError
from obra.workspace.processes import ProcessTree, clean_environment

folder = pathlib.Path(sys.argv[1])
variables = clean_environment(folder / "home")
tree = ProcessTree(["cat"], cwd=folder, environment=variables, stdin=subprocess.PIPE)
try:
    tree.sweep(0.1)
except WorkspaceError as error:
    print(tree.process.pid, error)
tree.process.stdin.close()
tree.process.wait()
"""
    ended = with_refusal("kill", errno.EPERM, code, tmp_path)
    number = ended.stdout.partition(" ")[0]
    said = f"{number} processes [{number}] do not end even by SIGKILL; end them by hand\n"
    assert ended.stdout == said, ended.stderr
