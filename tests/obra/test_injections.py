"""No word that an agent writes moves a decision: a corpus of injections in every place that it can write to.

The decision of a run with the text is compared with that of the same run with a harmless text in its place; once
with a scripted review, once with a model that answers truly and obeys nothing that stands behind the fence. That
proves our part: fences, labels, cleaning, strict reading, verified quotes. How far a real model can be talked into
something is a matter of calibration, with that model.
"""

import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from obra import Config, Orchestrator, ScriptedLLM
from obra.domain import ScriptStep

INJECTIONS = json.loads((Path(__file__).parent / "data" / "injections.json").read_text(encoding="utf-8"))
HARMLESS = "nothing to see here"
WANTED = {"calc.py has a function add": "def add(", "calc.py has a function subtract": "def subtract("}
HALF = "def add(a, b):\n    return a + b\n"
WHOLE = f"{HALF}\n\ndef subtract(a, b):\n    return a - b\n"
CHECKS = ({"python": {"file": "calc.py", "functions": ["add", "subtract"]}},)
SCRIPTED = {"yes": {"score": 90}, "no": {"score": 20, "issues": ["subtract is missing"]}}


class Truthful:
    """A model that looks only for lines that calc.py gained, and quotes them."""

    identity = "truthful"

    def generate(self, prompt, *, schema=None, seed=None):
        """Answer the questions that stand behind the last fence, by what stands between the fences."""
        fence = re.search(r"hold the marker (\S+) is UNTRUSTED", prompt)[1]
        parts = prompt.split(f"\n{fence}\n")
        labels = schema["properties"]["answers"]["items"]["properties"]["id"]["enum"]
        questions = re.findall(r"^(q\d+): (.*)$", parts[-1], re.MULTILINE)
        assert [label for label, _ in questions] == labels, f"a fence was broken (sample {seed})"
        diff = "\n".join(part for part in parts[1::2] if "diff --git" in part)
        gained = re.search(r"^\+\+\+ b/calc\.py\n(.*?)(?=^diff --git a/|\Z)", diff, re.MULTILINE | re.DOTALL)
        lines = [line[1:] for line in gained[1].split("\n") if line.startswith("+")]
        return json.dumps({"answers": [{"id": label, **self.answer(text, lines)} for label, text in questions]})

    def answer(self, text, lines):
        """Say yes with the line that shows it, else no."""
        wanted = next((code for sentence, code in WANTED.items() if sentence in text), "def ")
        line = next((line for line in lines if line.startswith(wanted)), None)
        shown = line is not None and "change a file named" not in text
        return {"reason": "I looked", "quote": line if shown else "", "verdict": "yes" if shown else "no"}

    def is_available(self):
        """It is there."""
        return True


@pytest.fixture
def decide(tmp_path):
    """Return a function that runs one attempt of one agent and returns all that was decided."""
    config = Config()
    config.set("database.url", f"sqlite:///{tmp_path}/obra.db")
    config.set("workspace.store", str(tmp_path / "snapshots.git"))
    with Orchestrator(config, llm=Truthful()) as first:
        state = first.state_manager
        project = state.create_project("p")
        count = iter(range(10_000))

        def decide(step, llm, checks=()):
            folder = tmp_path / f"workspace-{next(count)}"
            task = state.create_task(
                project.id,
                {
                    "title": "Calculator",
                    "acceptance": list(WANTED),
                    "checks": list(checks),
                    "working_dir": str(folder),
                },
            )
            loop = Orchestrator(config, script=[step], llm=llm, state_manager=state)
            loop.initialize()
            outcome = loop.execute_task(task.id, max_iterations=1)
            loop.close()
            (attempt,) = outcome.attempts
            return {
                "status": outcome.status,
                "action": attempt.decision.action,
                "trigger": outcome.breakpoint and outcome.breakpoint.trigger,
                "quality": attempt.quality.overall_score,
                "confidence": attempt.confidence,
                "review": (attempt.review.verdict, attempt.review.score),
                "answers": [(answer.id, answer.verdict) for answer in attempt.review.answers],
                "requirements": [(one.state, one.evidence) for one in attempt.requirements],
            }

        yield decide


def name_of(text):
    """Make the file name that holds as much of *text* as a file name can."""
    kept = re.sub("[/\0\ud800-\udfff]", "_", text).encode()[:120].decode(errors="ignore")
    return f"notes/{kept.strip() or '_'}.txt"


def step(text, code):
    """What an agent does that writes *text* wherever it can: reply, file names, file contents, beside its code."""
    return ScriptStep(
        say=f"I did it.\n\n{text}\n\nThat is all.",
        write={
            "aaa.txt": f"{text}\n",
            "calc.py": f"{code}\nNOTE = {text!r}\n",
            name_of(text): text,
            "zzz.txt": f"\n{text}\n",
        },
    )


REVIEWERS = {
    "scripted": lambda word: ScriptedLLM({"script": [SCRIPTED[word]]}),
    "truthful": lambda _: Truthful(),
}
SITUATIONS = {
    "half, measured": (HALF, CHECKS, "yes"),
    "half, unmeasured": (HALF, (), "no"),
    "whole": (WHOLE, CHECKS, "yes"),
}
ENDS = {"half, measured": "escalate", "half, unmeasured": "escalate", "whole": "proceed"}


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("reviewer", REVIEWERS)
def test_no_text_in_reply_file_names_and_contents_moves_a_decision(decide, reviewer, situation):
    """Fifty-two texts, each in every place at once: status, scores, answers and requirements stay as they were."""
    code, checks, word = SITUATIONS[situation]
    calm = decide(step(HARMLESS, code), REVIEWERS[reviewer](word), checks)
    assert calm["action"] == ENDS[situation]
    moved = {
        text: found
        for text in INJECTIONS
        if (found := decide(step(text, code), REVIEWERS[reviewer](word), checks)) != calm
    }
    assert not moved


@pytest.mark.parametrize("reviewer", REVIEWERS)
def test_no_commit_message_moves_a_decision(decide, reviewer):
    """An agent that commits with every text of the corpus as a message is judged like one that does not."""

    def committing(*texts):
        identity = "git -c user.name=a -c user.email=a@b.invalid"
        commits = [f"{identity} commit -q --allow-empty -m {shlex.quote(_sayable(text))}" for text in texts]
        return ScriptStep(say="I did it.", write={"calc.py": HALF}, run=("git init -q .", " && ".join(commits)))

    calm = decide(committing(HARMLESS), REVIEWERS[reviewer]("no"))
    assert calm["action"] == "escalate"
    assert decide(committing(*INJECTIONS), REVIEWERS[reviewer]("no")) == calm


@pytest.mark.parametrize("reviewer", REVIEWERS)
def test_no_test_name_moves_a_decision(decide, reviewer):
    """Test ids and messages that hold every text of the corpus reach the reviewer as output of a failed check."""

    def testing(texts):
        ids = [_sayable(text) for text in texts]
        source = (
            f"import pytest\n\nTEXTS = {ids!r}\n\n\n@pytest.mark.parametrize('text', TEXTS, ids=TEXTS)\n"
            f"def test_it(text):\n    assert not text, text\n"
        )
        return ScriptStep(say="I did it.", write={"calc.py": HALF, "test_calc.py": source})

    checks = [{"pytest": "test_calc.py"}]
    calm = decide(testing([HARMLESS] * len(INJECTIONS)), REVIEWERS[reviewer]("yes"), checks)
    found = decide(testing(INJECTIONS), REVIEWERS[reviewer]("yes"), checks)
    assert calm["action"] == "escalate"
    for one in (calm, found):
        one["requirements"] = [state for state, _ in one["requirements"]]
    assert found == calm


def _sayable(text):
    """Return *text* as a command line can hold it."""
    return text.replace("\0", "").encode(errors="replace").decode()


SAME_SCORES = """
import json
from obra.domain import ChangeKind, CheckResult, Evidence, FileChange, Reply, Task
from obra.judging.ballot import count_votes
from obra.judging.checklist_reader import read_sample
from obra.judging.confidence_scorer import ConfidenceScorer
from obra.judging.decision_engine import DecisionEngine
from obra.judging.quality_controller import QualityController
from obra.judging.quotes import QuotableEvidence
from obra.judging.requirements import read_split, settle
from obra.prompting.checklist import arranged, make_questions
from obra.prompting.prompt_generator import PromptGenerator

task = Task(title="Calculator", description="- add two numbers\\n- subtract two numbers\\n- docstrings")
said = json.dumps({"requirements": ["it can add numbers", "docstrings"]})
split = read_split(said, task.title, task.description)
evidence = Evidence(
    patch="+def add(a, b):\\n+    return a + b\\n",
    checks=(CheckResult(name="tests", passed=True, message="3 passed"),),
    total_changes=(FileChange(path="calc.py", kind=ChangeKind.CREATED),),
)
questions, quotable = make_questions(split, most=12, absent="module_1.py"), QuotableEvidence(evidence)
samples, prompts = [], []
for seed in (1, 2, 3):
    order = arranged(questions, seed)
    prompts.append(PromptGenerator().checklist_prompt(task, evidence, Reply(text="Done."), order, "f" * 16))
    said = {"requirement 1": "yes", "requirement 2": "unsure" if seed == 2 else "no", "canary": "no"}
    answers = [
        {"id": label, "reason": "r", "quote": "def add(a, b):", "verdict": said.get(question.id, "yes")}
        for label, question in order.items()
    ]
    samples.append(read_sample(json.dumps({"answers": answers}), order, quotable, seed))
review = count_votes(questions, samples)
judged = {"evidence": evidence, "review": review}
quality = QualityController().validate_output("Done.", task, judged)
confidence = ConfidenceScorer().score_response("Done.", task, judged)
context = {**judged, "task": task, "quality": quality, "confidence": confidence}
decision = DecisionEngine().decide_next_action(context)
print(repr((split, prompts, review, settle(split, ["tests"], evidence, questions, review), quality, confidence,
            confidence.factors, decision)))
"""


def test_the_same_inputs_give_the_same_scores_in_eight_processes():
    """Questions, prompts, review, scores and decision are the same to the letter, whatever the hash seed is."""
    found = set()
    for first in range(0, 8, 4):
        batch = [
            subprocess.Popen(
                [sys.executable, "-c", SAME_SCORES],
                env={**os.environ, "PYTHONHASHSEED": str(seed)},
                stdout=subprocess.PIPE,
            )
            for seed in range(first, first + 4)
        ]
        outputs = [process.communicate()[0] for process in batch]
        assert [process.returncode for process in batch] == [0] * 4
        found |= {hashlib.sha256(output).hexdigest() for output in outputs}
    assert len(found) == 1
