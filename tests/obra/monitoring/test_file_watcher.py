from __future__ import annotations

import errno
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from obra.errors import WorkspaceError
from obra.monitoring.file_watcher import FileWatcher


def _open_files():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _wait_for(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def watch(tmp_path):
    """A function that watches tmp_path and gives the watcher and the list of touches."""

    def make(**settings):
        touches = []
        return FileWatcher(tmp_path, lambda *touch: touches.append(touch), **settings), touches

    return make


def test_tells_what_happens_to_a_file(tmp_path, watch):
    """Made, written, made executable, renamed, deleted: each is told in order, with the kind of change."""
    watcher, touches = watch()
    with watcher:
        (tmp_path / "a.py").write_text("1")
        (tmp_path / "a.py").rename(tmp_path / "b.py")
        (tmp_path / "b.py").chmod(0o755)
        (tmp_path / "b.py").unlink()
    assert touches == [
        ("a.py", "created"),
        ("a.py", "modified"),
        ("b.py", "moved"),
        ("b.py", "modified"),
        ("b.py", "deleted"),
    ]


def test_touches_arrive_while_it_runs(tmp_path, watch):
    """A sign of life is worth something only at once."""
    watcher, touches = watch()
    with watcher:
        (tmp_path / "a.py").write_text("1")
        _wait_for(lambda: ("a.py", "created") in touches)


def test_reading_is_no_touch(tmp_path, watch):
    """An agent that reads or lists changes nothing, and nothing is told."""
    (tmp_path / "a.py").write_text("1")
    watcher, touches = watch()
    with watcher:
        (tmp_path / "a.py").read_text()
        list(tmp_path.iterdir())
        (tmp_path / "a.py").stat()
    assert touches == []


def test_an_atomic_save_shows_the_final_name(tmp_path, watch):
    """Editors write aside and rename; the file that counts is the one that is there afterwards."""
    (tmp_path / "a.py").write_text("old")
    watcher, touches = watch()
    with watcher:
        (tmp_path / "a.py.tmp").write_text("new")
        (tmp_path / "a.py.tmp").replace(tmp_path / "a.py")
    assert touches[-1] == ("a.py", "moved")


def test_new_folders_are_watched_too(tmp_path, watch):
    """Files in folders that did not exist at the start are told with their whole path."""
    watcher, touches = watch()
    with watcher:
        deep = tmp_path / "a" / "b" / "c"
        deep.mkdir(parents=True)
        (deep / "d.txt").write_text("1")
    assert ("a/b/c/d.txt", "created") in touches
    assert {path for path, _ in touches} == {"a/b/c/d.txt"}


def test_ignored_names_are_silent_at_any_depth(tmp_path, watch):
    """A repository's own bookkeeping and caches are not the agent's work."""
    watcher, touches = watch(ignore=(".git", "x.log"))
    with watcher:
        for folder in (".git", "sub/.git", "sub/.gitx"):
            (tmp_path / folder).mkdir(parents=True)
            (tmp_path / folder / "index").write_text("1")
        (tmp_path / "sub" / "x.log").write_text("1")
    assert {path for path, _ in touches} == {"sub/.gitx/index"}


def test_moves_across_the_border_of_what_is_ignored(tmp_path, watch):
    """Out of sight is deleted; into sight is moved, under the name it has now."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "a").write_text("1")
    (tmp_path / ".git" / "b").write_text("1")
    watcher, touches = watch(ignore=[".git"])
    with watcher:
        (tmp_path / "a").rename(tmp_path / ".git" / "a")
        (tmp_path / ".git" / "b").rename(tmp_path / "b")
    assert touches == [("a", "deleted"), ("b", "moved")]


def test_moves_across_the_border_of_the_folder(tmp_path, tmp_path_factory, watch):
    """A file that leaves is deleted and one that comes in is created, even just before the end."""
    outside = tmp_path_factory.mktemp("outside")
    (tmp_path / "a").write_text("1")
    (outside / "b").write_text("1")
    watcher, touches = watch()
    with watcher:
        (outside / "b").rename(tmp_path / "b")
        (tmp_path / "a").rename(outside / "a")
    assert touches == [("b", "created"), ("a", "deleted")]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"with space\nand line", "with space\nand line"),
        ("ü日本🎉.py".encode(), "ü日本🎉.py"),
        (b"bad\xffname", "bad\\xffname"),
        (b"-rf *", "-rf *"),
        (b"n" * 255, "n" * 255),
    ],
)
def test_odd_names(tmp_path, watch, name, shown):
    """Any name the file system takes arrives as text that can be stored and printed."""
    watcher, touches = watch()
    with watcher:
        os.close(os.open(os.path.join(os.fsencode(tmp_path), name), os.O_CREAT))  # noqa: PTH118  # bytes
    assert touches == [(shown, "created")]
    assert touches[0][0].encode()


def test_a_folder_reached_by_a_symlink(tmp_path):
    """Paths are relative to the folder, whichever way it was named; links inside are not followed."""
    (tmp_path / "real").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "real" / "out").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    touches = []
    with FileWatcher(tmp_path / "link", lambda *touch: touches.append(touch)):
        (tmp_path / "real" / "a").touch()
        (tmp_path / "elsewhere" / "b").touch()
    assert {path for path, _ in touches} == {"a"}


def test_a_relative_folder(tmp_path, watch, request):
    """The watcher keeps its folder when the process changes to another one."""
    (tmp_path / "w").mkdir()
    before = Path.cwd()
    request.addfinalizer(lambda: os.chdir(before))
    os.chdir(tmp_path)
    touches = []
    watcher = FileWatcher(Path("w"), lambda *touch: touches.append(touch))
    os.chdir(before)
    with watcher:
        (tmp_path / "w" / "a").touch()
    assert touches[0] == ("a", "created")


def test_five_thousand_files_with_a_slow_listener(tmp_path, watch):
    """A burst is told completely, though the listener is slower than the files come."""
    touches = []

    def slow(path, kind):
        time.sleep(0.0002)
        touches.append((path, kind))

    with FileWatcher(tmp_path, slow):
        for number in range(5000):
            os.close(os.open(tmp_path / f"{number}.txt", os.O_CREAT))
    assert [path for path, kind in touches if kind == "created"] == [f"{n}.txt" for n in range(5000)]


def test_what_was_touched_just_before_the_end_is_delivered(tmp_path, watch):
    """However close stop() follows, the last change is told."""
    for _ in range(20):
        watcher, touches = watch()
        with watcher:
            (tmp_path / "a").touch()
        assert touches
        (tmp_path / "a").unlink()


def test_a_listener_that_fails(tmp_path, caplog):
    """What it raises is logged with the file's name, and the next touch arrives all the same."""
    touches = []

    def fussy(path, kind):
        touches.append(path)
        if path == "bad":
            raise ValueError("not this one")

    with FileWatcher(tmp_path, fussy):
        (tmp_path / "bad").touch()
        (tmp_path / "good").touch()
    assert {"bad", "good"} == set(touches)
    assert "bad (created)" in caplog.text
    assert "not this one" in caplog.text


def test_nothing_is_left_over(tmp_path, watch):
    """Neither a thread nor an open file survives stop, after many rounds."""
    watcher, _ = watch()
    with watcher:  # the first round imports
        pass
    threads, files = set(threading.enumerate()), _open_files()
    for _ in range(10):
        with watcher:
            (tmp_path / "a").touch()
    assert set(threading.enumerate()) <= threads
    assert _open_files() <= files


def test_starting_and_stopping_twice(tmp_path, watch):
    """Both may be said twice, and a stopped watcher can start again; what happens between is not told."""
    watcher, touches = watch()
    watcher.stop()
    watcher.start()
    watcher.start()
    (tmp_path / "a").touch()
    watcher.stop()
    watcher.stop()
    (tmp_path / "b").touch()
    with watcher:
        (tmp_path / "c").touch()
    assert {path for path, _ in touches} == {"a", "c"}


def test_an_error_inside_the_block_passes_through(tmp_path, watch):
    """The watcher ends and hides nothing."""
    watcher, touches = watch()

    def fails_inside():
        with watcher:
            (tmp_path / "a").touch()
            raise KeyError("inside")

    with pytest.raises(KeyError, match="inside"):
        fails_inside()
    assert touches


def test_stopping_from_the_listener(tmp_path):
    """A listener that has seen enough may stop the watcher; that does not lock up."""
    stopped = threading.Event()

    def once(path, kind):
        watcher.stop()
        stopped.set()

    watcher = FileWatcher(tmp_path, once)
    watcher.start()
    (tmp_path / "a").touch()
    assert stopped.wait(60)
    _wait_for(lambda: "obra-file-watcher" not in {thread.name for thread in threading.enumerate()})


def test_the_folder_is_deleted_while_watched(tmp_path, watch, caplog):
    """The files that went are told, and stopping is quick and quiet."""
    root = tmp_path / "w"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "a").touch()
    touches = []
    caplog.set_level(logging.DEBUG, "obra.monitoring")
    with FileWatcher(root, lambda *touch: touches.append(touch)):
        shutil.rmtree(root)
    assert touches == [("sub/a", "deleted")]
    assert caplog.records == []  # nor does it say that it had to wait for quiet


def test_the_folder_is_deleted_and_made_again(tmp_path):
    """The new folder is another one; nothing breaks."""
    root = tmp_path / "w"
    root.mkdir()
    with FileWatcher(root, lambda *_: None):
        root.rmdir()
        root.mkdir()
        (root / "a").touch()


def test_the_folder_is_renamed_while_watched(tmp_path, caplog):
    """Without a folder of that name the end is found by quiet."""

    class Hasty(FileWatcher):
        SETTLING_SECONDS = 0.6

    root = tmp_path / "w"
    root.mkdir()
    touches = []
    caplog.set_level(logging.DEBUG, "obra.monitoring")
    with Hasty(root, lambda *touch: touches.append(touch)):
        (root / "a").touch()
        _wait_for(lambda: touches)
        root.rename(tmp_path / "v")
    assert touches[0] == ("a", "created")
    assert "its file events were quiet" in caplog.text


@pytest.mark.parametrize("name", ["missing", "file"])
def test_what_is_no_folder(tmp_path, name):
    """A folder that is not there is told at start, with what to do."""
    (tmp_path / "file").touch()
    with pytest.raises(WorkspaceError, match=f"{name} cannot be watched.*create it first"):
        FileWatcher(tmp_path / name, lambda *_: None).start()


def test_watching_does_not_change_the_folder(tmp_path, watch):
    """The trick by which stop() finds the last event leaves mode and modification time as they were."""
    tmp_path.chmod(0o751)
    before = tmp_path.stat()
    watcher, _ = watch()
    with watcher:
        pass
    after = tmp_path.stat()
    assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)


def test_writers_in_other_processes(tmp_path, watch):
    """Two processes that write at once are both seen."""
    program = "import sys, pathlib\nfor n in range(200): pathlib.Path(sys.argv[1] + str(n)).write_text('x')"
    watcher, touches = watch()
    with watcher:
        writers = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path / letter)]) for letter in "ab"]
        assert [writer.wait(90) for writer in writers] == [0, 0]
    created = {path for path, kind in touches if kind == "created"}
    assert created == {f"{letter}{n}" for letter in "ab" for n in range(200)}


POLLED = '''
"""Uses up every file descriptor, so that inotify_init fails with EMFILE as it does at the limit of instances."""
import logging, os, pathlib, resource, sys
import watchdog.observers.polling, watchdog.observers.inotify
from obra.monitoring.file_watcher import FileWatcher

hoard = []

class Free(logging.Handler):
    def emit(self, record):
        while hoard:
            os.close(hoard.pop())
        print(record.levelname, record.getMessage(), flush=True)

logging.getLogger("obra").addHandler(Free())
root = pathlib.Path(sys.argv[1])
(root / "old").write_text("1")
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
touches = []
watcher = FileWatcher(root, lambda *touch: touches.append(touch))
try:
    while True:
        hoard.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
with watcher:
    (root / "new").write_text("1")
    (root / "old").unlink()
print(sorted(touches))
'''


def test_without_inotify_it_polls_and_says_so(tmp_path):
    """At the kernel's limit the folder is looked through instead, and the warning says what to raise."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", POLLED, str(tmp_path)], capture_output=True, text=True, check=False
    )
    first, second = done.stdout.splitlines()
    assert first.startswith("WARNING the kernel cannot watch")
    assert "max_user_instances" in first
    assert second == "[('new', 'created'), ('old', 'deleted')]"
    assert done.stderr == ""


def test_a_folder_that_may_not_be_read(tmp_path):
    """Another failure than a limit is an error and no reason to poll."""
    if os.geteuid() == 0:
        pytest.skip("root may read every folder")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o000)
    with pytest.raises(WorkspaceError, match=os.strerror(errno.EACCES)):
        FileWatcher(locked, lambda *_: None).start()


def test_a_listener_that_never_returns(tmp_path, caplog):
    """It is given up after a while, with a warning, instead of holding the run for ever."""
    release = threading.Event()

    class Impatient(FileWatcher):
        DELIVERY_SECONDS = 0.2

    caplog.set_level(logging.WARNING)
    watcher = Impatient(tmp_path, lambda *_: release.wait(90))
    watcher.start()
    for name in "abc":
        (tmp_path / name).touch()
    started = time.monotonic()
    watcher.stop()
    assert time.monotonic() - started < 60
    assert "has not returned" in caplog.text
    release.set()
    _wait_for(lambda: "obra-file-watcher" not in {thread.name for thread in threading.enumerate()})


def test_without_watchdog_it_says_how_to_get_it(tmp_path):
    """Watchdog is an extra; the message names it."""
    program = (
        "import sys; sys.modules['watchdog'] = None\n"
        "import pathlib\nfrom obra.errors import PrerequisiteError\n"
        "from obra.monitoring.file_watcher import FileWatcher\n"
        "try:\n    FileWatcher(pathlib.Path('.'), print).start()\n"
        "except PrerequisiteError as error:\n    print(error.missing[0])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install watchdog" in done.stdout


def test_importing_it_does_not_import_watchdog():
    """Start-up stays cheap."""
    program = "import sys, obra.monitoring.file_watcher; print('watchdog' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
