"""Artefacts, scenarios and snapshots on their way: by a folder, in memory and by a server that speaks S3."""

from __future__ import annotations

import os
import socket
import sys
import warnings

import pytest

from obra import Config
from obra.errors import PrerequisiteError, ScaleError
from obra.scale.artefacts import Artefacts
from obra.scale.dbos_queue import DBOSQueue
from obra.scale.snapshots import TravellingWorkspace, fetch
from obra.scale.sources import pack, unpack
from obra.scenarios.scenario import Scenario
from obra.settings import WorkspaceSettings
from obra.workspace.snapshot_store import SnapshotStore
from obra.workspace.workspace import Workspace


@pytest.fixture(scope="module")
def s3():
    """An S3 bucket on loopback: a real HTTP server."""
    pytest.importorskip("s3fs", reason="no s3fs: pip install 'obra[scale]'")
    server_module = pytest.importorskip("moto.server", reason="no moto: pip install 'obra[test]'")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    changed = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }  # fmt: skip
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    import fsspec

    system = fsspec.filesystem("s3", skip_instance_cache=True)
    system.mkdir("bucket")
    yield "s3://bucket/obra"
    server.stop()
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})


@pytest.fixture(params=["folder", "memory", "s3"])
def artefacts(request, tmp_path):
    """One of the three places."""
    if request.param == "s3":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the S3 client's own libraries
            yield Artefacts(request.getfixturevalue("s3"))
    else:
        yield Artefacts(str(tmp_path / "shared") if request.param == "folder" else f"memory://{tmp_path.name}")


def test_what_is_written_is_read_listed_and_removed(artefacts):
    """By references; what is not there is said to be missing, with the setting to look at."""
    artefacts.write("cases/s/1/row.json", b"one")
    artefacts.write("cases/s/1/row.json", b"two")
    artefacts.write("cases/s/2/row.json", b"three")
    assert artefacts.read("cases/s/1/row.json") == b"two"
    assert artefacts.has("cases/s/1/row.json")
    assert not artefacts.has("cases/s/3")
    assert artefacts.list("cases/s") == ("cases/s/1/row.json", "cases/s/2/row.json")
    assert artefacts.remove("cases/s") == 2
    assert (artefacts.list("cases/s"), artefacts.remove("cases/s")) == ((), 0)
    with pytest.raises(ScaleError, match=r"do all workers and you mean the same place by scale\.artefacts"):
        artefacts.read("cases/s/1/row.json")


def test_a_workspace_travels(artefacts, tmp_path):
    """Another machine's store gets all objects of every snapshot, and the folder is what it was."""
    root, far = tmp_path / "root", tmp_path / "far"
    (root / "inner").mkdir(parents=True)
    (root / "inner/a.txt").write_text("a")
    settings, folder = WorkspaceSettings(), "cases/s/1"
    here = TravellingWorkspace(
        root, SnapshotStore(tmp_path / "one.git"), settings, artefacts=artefacts, folder=folder
    )
    first = here.snapshot()
    (root / "inner/b.txt").write_text("b")
    second = here.snapshot()
    assert here.snapshot() == second
    assert len(artefacts.list(folder)) == 2
    store = SnapshotStore(tmp_path / "two.git")
    fetch(store, artefacts, folder)
    there = Workspace(far, store)
    there.restore(second)
    assert (far / "inner/b.txt").read_text() == "b"
    assert [change.path for change in there.diff(first, second).changes] == ["inner/b.txt"]


def test_a_scenario_travels_with_what_it_names(artefacts, tmp_path):
    """Template and file are there on the other side, once for the same content."""
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "templates/inner").mkdir(parents=True)
    (tmp_path / "templates/inner/x.txt").write_text("x")
    file = tmp_path / "scenarios/a.obra.yaml"
    file.write_text("task: {title: A}\nworkspace: {template: ../templates}\nscript: [{say: Hi}]\n")
    source = pack(Scenario.load(file), Config(), artefacts)
    assert pack(Scenario.load(file), Config(), artefacts) == source
    there = Scenario.load(unpack(source, artefacts, tmp_path / "machine"))
    assert (there.path.parent / "../templates/inner/x.txt").read_text() == "x"


def test_what_was_changed_on_its_way_is_refused(tmp_path):
    """An archive that is not what its name says, and objects that are not."""
    artefacts = Artefacts(str(tmp_path / "shared"))
    (tmp_path / "a.obra.yaml").write_text("task: {title: A}\nscript: [{say: Hi}]\n")
    source = pack(Scenario.load(tmp_path / "a.obra.yaml"), Config(), artefacts)
    artefacts.write(source.reference, artefacts.read(source.reference)[:-512] + bytes(511) + b"x")
    with pytest.raises(ScaleError, match="is not what was stored there"):
        unpack(source, artefacts, tmp_path / "machine")


def test_places_that_nobody_knows_are_refused():
    """With the address, and what is missing."""
    with pytest.raises(ScaleError, match="fsspec does not know"):
        Artefacts("nowhere://bucket")
    with pytest.raises(PrerequisiteError, match="driver"):
        Artefacts("gs://bucket/x")


def test_a_place_that_cannot_be_used_is_told(tmp_path, monkeypatch):
    """A file where a folder is needed, a folder that somebody stands in: the driver's words, and what was done."""
    (tmp_path / "file").write_text("mine")
    there = Artefacts(str(tmp_path / "file"))
    with pytest.raises(
        ScaleError, match=rf"^{tmp_path}/file: 'a' cannot be written: .*; see that it can be reached"
    ):
        there.write("a", b"x")
    with pytest.raises(ScaleError, match=rf"^{tmp_path}/file: 'a' cannot be read: .*Not a directory"):
        there.read("a")
    shared = Artefacts(str(tmp_path / "shared"))
    shared.write("cases/s/row.json", b"x")
    monkeypatch.chdir(tmp_path / "shared/cases/s")
    with pytest.raises(ScaleError, match=r"'cases/s' cannot be removed: Cannot delete current working directory"):
        shared.remove("cases/s")


def test_a_bucket_that_cannot_be_is_told():
    """Before anything is sent, by the driver of S3."""
    pytest.importorskip("s3fs", reason="no s3fs: pip install 'obra[scale]'")
    there = Artefacts("s3://no bucket/x")
    with pytest.raises(ScaleError, match=r"^s3://no bucket/x: 'a' cannot be looked at: .*; see that it can be"):
        there.has("a")
    with pytest.raises(ScaleError, match=r"'a' cannot be listed: "):
        there.list("a")


def test_a_server_that_does_not_answer_is_told_where_its_driver_logs_in_at_once():
    """Without the password that stands in the address."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(ScaleError, match=rf"^ftp://.*127\.0\.0\.1:{port}/x cannot be opened: ") as told:
        Artefacts(f"ftp://anna:geheim@127.0.0.1:{port}/x")
    assert "geheim" not in str(told.value)


def test_the_missing_extra_is_told_with_the_command(monkeypatch):
    """Where neither of its libraries is installed."""
    command = "the extra 'scale' is not installed: pip install 'obra\\[scale\\]'"
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(PrerequisiteError, match=command):
        Artefacts("memory://x")
    monkeypatch.setitem(sys.modules, "dbos", None)
    with pytest.raises(PrerequisiteError, match=command):
        DBOSQueue._require()


def test_an_archive_of_objects_that_was_cut_off_is_refused(tmp_path):
    """As one whose objects were changed: with the place, and what to do."""
    (tmp_path / "root").mkdir()
    (tmp_path / "root/a.txt").write_text("a" * 1000)
    artefacts = Artefacts(str(tmp_path / "shared"))
    here = TravellingWorkspace(
        tmp_path / "root", SnapshotStore(tmp_path / "one"), WorkspaceSettings(), artefacts=artefacts, folder="c"
    )
    here.snapshot()
    (reference,) = artefacts.list("c/objects")
    artefacts.write(reference, artefacts.read(reference)[:-30])
    with pytest.raises(
        ScaleError, match=r"does not hold what its names say; it was changed, so .* submit it again"
    ):
        fetch(SnapshotStore(tmp_path / "two"), artefacts, "c")
