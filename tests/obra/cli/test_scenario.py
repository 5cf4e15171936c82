"""``obra scenario``: a first file that passes, every problem of every file, and the schema for editors."""

from __future__ import annotations

import json
import subprocess
import sys

import jsonschema
import yaml


def test_a_new_scenario_passes_as_it_stands(obra, tmp_path):
    """It is written with its schema line and the schema, is valid by both, and ends as it should."""
    made = obra("scenario", "new", "calculator", "--folder", "cases")
    assert made.code == 0
    path = tmp_path / "cases" / "calculator.obra.yaml"
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=schema.json\n")
    schema = json.loads((tmp_path / "cases" / "schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(yaml.safe_load(text), schema)
    assert obra("scenario", "validate", "cases").out == "1 file: no problem, 1 case\n"
    assert obra("run", str(path)).code == 0
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(path)]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0


def test_nothing_is_overwritten(obra, tmp_path):
    """A second time it is refused, and the file and the schema stay as they are."""
    obra("scenario", "new", "a")
    path, schema = tmp_path / "a.obra.yaml", tmp_path / "schema.json"
    path.write_text("mine", encoding="utf-8")
    schema.write_text("my own", encoding="utf-8")
    again = obra("scenario", "new", "a")
    assert again.code == 2
    assert "a.obra.yaml is there already and stays as it is" in again.err
    assert obra("scenario", "new", "b").code == 0
    assert (path.read_text(encoding="utf-8"), schema.read_text(encoding="utf-8")) == ("mine", "my own")


def test_the_folder_for_scenarios_is_taken_where_there_is_one(obra, tmp_path):
    """As `obra init` makes it; --folder goes before it."""
    (tmp_path / "scenarios").mkdir()
    assert "scenarios/a.obra.yaml" in obra("scenario", "new", "a").out
    assert obra("scenario", "new", "b", "--folder", ".").code == 0
    assert (tmp_path / "b.obra.yaml").exists()


def test_a_name_that_is_none(obra, tmp_path):
    """A path, or letters that a scenario's name cannot have, are refused and leave nothing."""
    for name in ("../a", "a$b"):
        assert obra("scenario", "new", name).code == 2
    assert not list(tmp_path.glob("*.yaml"))


def test_a_folder_that_cannot_be_is_told(obra, write, tmp_path):
    """A file stands in its place, and stays."""
    write("file", "mine")
    done = obra("scenario", "new", "a", "--folder", "file/below")
    assert done.code == 2
    assert "file/below cannot be written: Not a directory" in done.err
    assert (tmp_path / "file").read_text() == "mine"


def test_every_problem_of_every_file(obra, write):
    """All of them, in one go, with exit code 2; the good file is counted, too."""
    write("good.obra.yaml", "parameters: {n: [1, 2]}\ntask: {title: $n}\n")
    write("bad.obra.yaml", "task: {titel: x}\nchekcs: []\n")
    write("worse.obra.yaml", "task: {title: x\n")
    ended = obra("scenario", "validate", ".")
    assert ended.code == 2
    assert "bad.obra.yaml:1: unknown key 'task.titel'; did you mean 'task.title'?" in ended.out
    assert "bad.obra.yaml:2: unknown key 'chekcs'; did you mean 'checks'?" in ended.out
    assert "worse.obra.yaml" in ended.out
    assert ended.out.splitlines()[-1].startswith("3 files: ")
    told = obra("scenario", "validate", "--json", "good.obra.yaml", "bad.obra.yaml", "none.obra.yaml")
    assert told.code == 2
    assert [(one["path"], one["cases"], bool(one["problems"])) for one in told.data] == [
        ("good.obra.yaml", 2, False),
        ("bad.obra.yaml", 0, True),
        ("none.obra.yaml", 0, True),
    ]


def test_a_folder_without_scenarios(obra, tmp_path):
    """Nothing to look over is wrong usage, not success."""
    (tmp_path / "empty").mkdir()
    assert obra("scenario", "validate", "empty").code == 2


def test_the_schema_is_printed_or_written(obra, tmp_path):
    """Both are the same text; a place that cannot be written is one sentence."""
    printed = obra("scenario", "schema")
    assert obra("scenario", "schema", "--out", "s.json").code == 0
    assert (tmp_path / "s.json").read_text(encoding="utf-8") == printed.out
    assert "human" in printed.data["properties"]
    lost = obra("scenario", "schema", "--out", "no/such/folder.json")
    assert (lost.code, "cannot be written" in lost.err) == (1, True)


def test_each_case_of_a_file_runs(obra, write):
    """A file with parameters runs once for each case, each in a folder of its own."""
    write(
        "many.obra.yaml",
        'parameters: {n: [a, b]}\ntask: {title: Make $n}\nchecks: [{file: "$n"}]\n'
        'script: [{write: {"$n": x}}]\nreviewer: [{score: 90}]\n',
    )
    ended = obra("run", "many.obra.yaml")
    assert ended.code == 0
    assert "scenario many[a] passed" in ended.out
    assert ended.out.rstrip().endswith("2 of 2 scenarios passed")
