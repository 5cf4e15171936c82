"""obra calibrate, as a command."""

import json
import runpy
import subprocess
import sys


def run(folder, *arguments):
    """Run the command in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "obra", "calibrate", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_prints_and_writes_its_numbers(corpus, tmp_path):
    """A table, the JSON, the page, the chances as a module that can be loaded; progress goes to standard error."""
    done = run(tmp_path, "--corpus", "corpus", "--quick", "--jobs", "1", "--out", "out", "--chances", "chances.py")
    assert done.returncode == 0, done.stderr
    assert "false accepts" in done.stdout
    assert "words alone: AUC" in done.stdout
    assert "judged, the last is" in done.stderr
    data = json.loads((tmp_path / "out" / "calibration.json").read_text())
    assert data["command"] == "obra calibrate --out out --corpus corpus --quick --chances chances.py"
    assert [one["reviewer"] for one in data["reviewers"]] == [
        "no LLM", "yes-man", "yes-model", "sly-model", "no-man", "all-knowing"
    ]  # fmt: skip
    assert (tmp_path / "out" / "calibration.md").read_text().startswith("# Calibration\n")
    chances = runpy.run_path(str(tmp_path / "chances.py"))["CHANCES"]
    assert set(chances) == {""}
    assert set(chances[""]) >= {"good, checked", "wrong, checked"}


def test_a_second_corpus_is_reported_apart(corpus, tmp_path):
    """It is named in the command, has its section, and leaves the fitted chances alone."""
    (corpus / "README.md").write_text("Made by hand\nin March.\n")
    alone = run(tmp_path, "--corpus", "corpus", "--jobs", "1", "--quick", "--out", "alone")
    both = run(tmp_path, "--corpus", "corpus", "--held-back", "corpus", "--jobs", "1", "--quick", "--out", "both")
    assert (alone.returncode, both.returncode) == (0, 0), both.stderr
    assert "held back: corpus" in both.stdout
    one, two = (json.loads((tmp_path / name / "calibration.json").read_text()) for name in ("alone", "both"))
    assert "--held-back corpus" in two["command"]
    assert 0 < two["held_back"]["corpus"]["attempts"] < one["corpus"]["attempts"]
    assert not any(name.startswith("derived") for name in two["held_back"]["corpus"]["origins"])
    assert one["chances"] == two["chances"]
    text = (tmp_path / "both" / "calibration.md").read_text()
    assert "## Held back" in text
    assert text.count("Made by hand\nin March.\n") == 2


def test_a_folder_without_tasks_exits_2(tmp_path):
    """It says what a corpus is."""
    done = run(tmp_path, "--corpus", ".")
    assert done.returncode == 2
    assert "no task (*.yaml) stands in" in done.stderr
