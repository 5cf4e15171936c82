"""--obra-llm: who reviews, whatever the agent. One test has a real model on the wire."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from obra.llm.llama_cpp import LlamaCppLLM

ROOT = Path(__file__).parents[2]
REVIEW = {"OBRA__REVIEW__SAMPLES": "1", "OBRA__REVIEW__QUESTIONS": "5"}
"""As little as can be asked of a model that makes 60 tokens a second."""


def _rows(folder):
    [path] = folder.glob("reports/*/results.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("name", ["scriptd", "no.such:Thing"])
def test_an_unknown_llm_stops_the_run(scenario_file, run, name):
    """Exit code 4, the option and the known names."""
    scenario_file("good")
    result = run(f"--obra-llm={name}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"--obra-llm={name}: " in result.stderr.str()
    assert "Traceback" not in result.stderr.str()


def test_an_llm_that_is_not_there_stops_the_run(scenario_file, run, monkeypatch):
    """Its prerequisites are looked at before anything is run, and the message names both options."""
    monkeypatch.setenv("OBRA__LLM__API_URL", "http://127.0.0.1:9")
    scenario_file("good")
    result = run("--obra-llm=ollama")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--obra-agent=mock --obra-llm=ollama cannot run, this is missing:" in result.stderr.str()
    assert "ollama serve" in result.stderr.str()


def test_it_goes_before_the_settings(pytester, scenario_file, run, ollama, monkeypatch):
    """The mock rung says scripted, the option ollama: the server is asked, and its model stands in the row."""
    monkeypatch.setenv("OBRA__LLM__API_URL", ollama.url)
    monkeypatch.setenv("OBRA__LLM__MODEL", "tiny:1b")
    scenario_file("good")
    run("--obra-llm=ollama")
    assert ollama.chats
    reviews = [attempt["review"] for row in _rows(pytester.path) for attempt in row["attempts"]]
    assert reviews
    assert {review["model"] for review in reviews} == {"ollama tiny:1b@bbbbbbbbbbbb"}


def test_scripted_goes_before_the_settings_too(pytester, scenario_file, run):
    """A file that names an Ollama that is not there does no harm when the script is asked for."""
    (pytester.path / "mine.yaml").write_text("llm: {type: ollama, api_url: 'http://127.0.0.1:9'}\n")
    scenario_file("good")
    assert run("--obra-config=mine.yaml", "--obra-llm=scripted").ret == 0


def test_real_stays_real(pytester, scenario_file, run):
    """A scripted reviewer makes no real run, by whichever way it was asked for."""
    (pytester.path / "mine.yaml").write_text("llm: {type: ollama}\n")
    scenario_file("good")
    result = run("--obra-agent=real", "--obra-config=mine.yaml", "--obra-llm=scripted")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "llm.type is 'scripted' (set by: option --obra-llm)" in result.stderr.str()


@pytest.mark.timeout(300)  # a busy machine makes a tenth of the tokens a second that an idle one does
def test_a_real_model_reviews_hello_world(tmp_path):
    """The wire, not the wisdom: a real model's review is stored with its identity, whatever it says."""
    if lacking := LlamaCppLLM({}).missing():
        pytest.skip("; ".join(lacking))
    arguments = ["-p", "no:cacheprovider", "--rootdir", str(tmp_path), "--obra-llm=llamacpp"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, str(ROOT / "scenarios" / "hello_world.obra.yaml")],
        cwd=tmp_path,
        env={**os.environ, **REVIEW, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    [row] = _rows(tmp_path)
    review = row["attempts"][0]["review"]
    assert review["model"] == "llamacpp SmolLM2-135M-Instruct.Q4_1@b179c9523d0e"
    [sample] = json.loads(review["raw"])
    assert json.loads(sample["answer"])["answers"], "no schema-bound answer came back"
    lines = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])]
    assert not [line for line in lines if "llama-server" in line and str(tmp_path) in line]
    assert list(tmp_path.glob("obra-llama-*")) == []
