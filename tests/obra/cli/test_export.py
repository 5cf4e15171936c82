"""``obra export``: each format beside the run, whole or not at all."""

import json

import pytest

from obra.reports.rows import error_row


@pytest.fixture
def run_folder(tmp_path):
    """Return the folder of a run with two rows."""
    folder = tmp_path / "reports" / "20261122-141500-ab12cd"
    folder.mkdir(parents=True)
    rows = [
        error_row(scenario=name, agent="replay:codex", path="a.obra.yaml", node=name, message="no server")
        for name in ("one", "../../two")
    ]
    (folder / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.mark.parametrize(("form", "name"), [("otlp", "otlp.jsonl"), ("inspect", "inspect.json")])
def test_a_format_in_one_file(obra, run_folder, form, name):
    """Written beside the run, as lines or as one document of JSON."""
    done = obra("export", "last", "--to", form)
    assert (done.code, done.out) == (0, f"wrote reports/20261122-141500-ab12cd/{name}\n")
    text = (run_folder / name).read_text()
    documents = text.splitlines() if form == "otlp" else [text]
    assert len([json.loads(one) for one in documents]) == (2 if form == "otlp" else 1)


def test_trajectories_stay_in_their_folder(obra, run_folder, tmp_path):
    """A scenario's name leads nowhere else, and a folder that holds something is not written into."""
    done = obra("export", str(run_folder), "--to", "atif", "--out", "found")
    assert done.code == 0
    assert sorted(path.name for path in (tmp_path / "found").iterdir()) == [
        "00001-one-replay_codex.json",
        "00002-.._.._two-replay_codex.json",
    ]
    again = obra("export", str(run_folder), "--to", "atif", "--out", "found")
    assert again.code == 1
    assert "found is not empty" in again.err


def test_a_run_that_is_none_is_told(obra):
    """As for reports."""
    done = obra("export", "nonsense", "--to", "otlp")
    assert done.code == 1
    assert "there is no run 'nonsense'" in done.err


@pytest.mark.parametrize("form", ["atif", "otlp"])
def test_a_place_that_cannot_be_written_is_told(obra, run_folder, tmp_path, form):
    """A file stands where its folder should be; nothing is left beside it."""
    (tmp_path / "file").write_text("mine")
    done = obra("export", str(run_folder), "--to", form, "--out", "file/found")
    assert done.code == 1
    assert "Error: file/found cannot be written: Not a directory; make room or name another place\n" in done.err
    assert (tmp_path / "file").read_text() == "mine"
