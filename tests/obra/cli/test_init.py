"""obra init."""

from __future__ import annotations

import subprocess
import sys

import pytest

from obra.config import Config


def test_a_project_is_ready_and_its_next_commands_work(obra, tmp_path):
    """Settings, scenario, schema, CI job and .gitignore are there; the scenario passes; each setting is known."""
    ended = obra("init", "shop")
    assert (ended.code, ended.err) == (0, "")
    shop = tmp_path / "shop"
    assert {path.relative_to(shop).as_posix() for path in shop.rglob("*") if path.is_file()} == {
        "config/obra.yaml",
        "scenarios/hello_world.obra.yaml",
        "scenarios/schema.json",
        ".github/workflows/scenarios.yml",
        ".gitignore",
    }
    assert Config.load(shop / "config/obra.yaml", environ={}).get("agent.type") == "claude_code_local"
    following = [line.strip() for line in ended.out.partition("next, in shop:\n")[2].splitlines()]
    assert [line.split()[0] for line in following] == ["pytest", "obra", "obra"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "scenarios/"],
        cwd=shop, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "1 passed" in done.stdout, done.stdout
    assert obra("scenario", "new", "mine", "--folder", "shop/scenarios").code == 0


def test_nothing_is_overwritten(obra, tmp_path):
    """What is there stays to the byte and is told; .gitignore gets only the lines that it lacks, once."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config/obra.yaml").write_text("mine: true\n")
    (tmp_path / ".gitignore").write_bytes(b"reports\n\xff")
    first = obra("init", "--json")
    assert first.data["kept"] == ["config/obra.yaml"]
    assert ".gitignore" in first.data["written"]
    text = (tmp_path / ".gitignore").read_bytes()
    assert text.startswith(b"reports\n\xff\n# what")
    assert text.count(b"reports") == 1
    second = obra("init", "--json").data
    assert (second["written"], len(second["kept"])) == ([], 5)
    assert (tmp_path / "config/obra.yaml").read_text() == "mine: true\n"
    assert (tmp_path / ".gitignore").read_bytes() == text


def test_within_a_repository_it_says_where_the_ci_job_belongs(obra, tmp_path):
    """CI services read it in the root alone, so one that lies deeper would never run."""
    (tmp_path / ".git").mkdir()
    ended = obra("init", "parts/shop")
    assert f"move it to {tmp_path}, and run its commands in parts/shop\n" in ended.out
    assert (
        obra("init", "parts/shop", "--json").data["misplaced"].startswith("the CI job is found only in the root")
    )
    assert "move it" not in obra("init", "parts/shop", "--ci", "none").out
    assert "move it" not in obra("init", ".").out


@pytest.mark.parametrize(("ci", "path"), [("gitlab", ".gitlab-ci.yml"), ("none", None)])
def test_the_ci_service_is_chosen(obra, tmp_path, ci, path):
    """One job or none, and it names the settings that were written."""
    written = obra("init", "--ci", ci, "--json").data["written"]
    assert (".gitlab-ci.yml" in written) is (ci == "gitlab")
    assert not (tmp_path / ".github").exists()
    if path:
        assert "--obra-config=config/obra.yaml" in (tmp_path / path).read_text()


def test_a_folder_that_cannot_be_made_is_told(obra, tmp_path):
    """A file stands in the way: exit 1, and the sentence names it."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/config").write_text("a file")
    ended = obra("init", "shop")
    assert ended.code == 1
    assert "shop/config cannot be written" in ended.err
