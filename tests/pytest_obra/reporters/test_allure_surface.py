"""Labels, categories and the files around Allure's results."""

import json
import re
from pathlib import Path

import pytest

from pytest_obra.reporters.allure_surface import CATEGORIES, executor, labels_of, write_files
from pytest_obra.reporters.terminal import failure_text


def test_labels_come_from_markers_and_from_where_the_file_lies():
    """What a marker says goes before the folder and the name."""
    assert dict(labels_of("hello", Path("scenarios/web/hello.obra.yaml"), ("smoke",))) == {
        "epic": "Obra", "feature": "web", "story": "hello",
    }  # fmt: skip
    marked = dict(labels_of("hello", Path("hello.obra.yaml"), ("epic_Shop", "story_Pay", "owner_ann", "blocker")))
    assert marked == {
        "epic": "Shop", "feature": "scenarios", "story": "Pay", "owner": "ann", "severity": "blocker",
    }  # fmt: skip


def test_each_failure_falls_into_its_category(make_report):
    """By Obra's own first words; what an agent wrote after them moves nothing."""
    lie = "x (y): the verdict is wrong: no"
    texts = {
        result: f"Failed: {failure_text(make_report(result=result, scenario='a b', outcome={'reason': lie}))}"
        for result in ("agent_failed", "verdict_wrong")
    }
    found = {
        result: [
            one["name"] for one in CATEGORIES if "messageRegex" in one and re.fullmatch(one["messageRegex"], text)
        ]
        for result, text in texts.items()
    }
    assert found == {"agent_failed": ["The agent failed"], "verdict_wrong": ["The verdict is wrong"]}


def test_files_of_the_run_leave_what_is_there_alone(tmp_path):
    """A category file of the project's own stays."""
    (tmp_path / "categories.json").write_text("[]")
    write_files(tmp_path)
    assert (tmp_path / "categories.json").read_text() == "[]"
    assert json.loads((tmp_path / "executor.json").read_text())["name"]
    assert "python=" in (tmp_path / "environment.properties").read_text()


@pytest.mark.parametrize(
    ("variables", "name", "url"),
    [
        ({}, "pytest", None),
        (
            {"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://host", "GITHUB_REPOSITORY": "a/b",
             "GITHUB_RUN_ID": "7", "GITHUB_RUN_NUMBER": "3"}, "GitHub Actions", "https://host/a/b/actions/runs/7",
        ),
        ({"GITLAB_CI": "true", "CI_PIPELINE_IID": "3", "CI_JOB_URL": "https://host/j"}, "GitLab CI", "https://host/j"),
        ({"JENKINS_URL": "u", "BUILD_NUMBER": "3", "BUILD_URL": "https://host/b"}, "Jenkins", "https://host/b"),
    ],
)  # fmt: skip
def test_the_executor_is_named(variables, name, url):
    """With a link to the job where one is known."""
    found = executor(variables)
    assert (found["name"], found.get("buildUrl")) == (name, url)
