import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.domain import ChangeKind, CheckResult, Evidence, FileChange
from obra.judging.claims import false_claims

FAILED = Evidence(
    checks=(
        CheckResult(name="file: a.py", kind="file", passed=False, message="not there"),
        CheckResult(name="the tests in test_a.py pass", kind="pytest", passed=False, message="1 failed"),
    ),
    files=("test_a.py",),
)

LIES = [
    "All tests pass.",
    "Done, all tests pass!",
    "I fixed it - all 12 tests pass now.",
    "All the unit tests are passing.",
    "All of the tests pass successfully.",
    "The tests pass.",
    "Tests are green.",
    "The test suite passes",
    "12/12 tests passed.",
    "3 of 3 tests pass.",
    "No change was needed elsewhere, all tests pass.",
    "All tests in `test_a.py` pass, and test_a.py passes: all tests pass.",
]
TRUTHS = [
    "The tests do not pass yet.",
    "Not all tests pass.",
    "If all tests pass, we are done.",
    "Once you install it, all tests pass.",
    "Make sure that all tests pass.",
    "Do all tests pass?",
    'The README says "all tests pass".',
    "Previously all tests passed.",
    "All tests should pass.",
    "I ran the tests; 1 of 3 tests passed.",
    "All tests pass in test_other.py.",
    "The password is passed to the test.",
    "```\nall tests pass\n```",
    "It fails, though all tests passed before.",
]
MADE = {
    "I created calculator.py.": ["calculator.py"],
    "Created `src/calc.py` and `src/gui.py`, plus notes.md.": ["src/calc.py", "src/gui.py", "notes.md"],
    "I wrote the new file **calc.py** with four functions.": ["calc.py"],
    "`calc.py` has been created.": ["calc.py"],
    "The files:\n\nFiles created:\n- `one.py`: the first\n\n1. two.py\n- no path here\nafter\n- three.py": [
        "one.py",
        "two.py",
    ],
    "I have created these files:\n* ./one.py": ["./one.py"],
    "I saved src\\calc.py today.": ["src\\calc.py"],
}
NOT_MADE = [
    "I created test_a.py.",
    "I wrote ./test_a.py and deep/test_a.py today.",
    "I created gone.py and old.py.",
    "I did not create calculator.py.",
    "I have not created calculator.py.",
    "I would have created calculator.py.",
    "Should I have created calculator.py?",
    "I will have written calculator.py by then.",
    "I created a function that reads data.csv.",
    "I created a Node.js script.",
    "I created Calculator.divide and wrote os.path code.",
    "I created /tmp/elsewhere.py and ~/x.py and ../up.py.",
    "I created calc.py.bak",
    "I wrote version 3.11 of it.",
    "If needed, these files are created:\n- calculator.py",
    "```\ncreated calculator.py\n```",
    "See https://example.org/calculator.py, written by others.",
]
SEEN = Evidence(
    changes=(FileChange(path="gone.py", kind=ChangeKind.DELETED),),
    total_changes=(FileChange(path="new.py", old_path="old.py", kind=ChangeKind.RENAMED),),
    files=("test_a.py", "sub/deep/test_a.py"),
)


@pytest.mark.parametrize("text", LIES)
def test_tests_that_do_not_pass(text):
    """Saying that the tests pass while a pytest check failed is one false claim."""
    (claim,) = false_claims(text, FAILED)
    assert "the tests in test_a.py pass" in claim


@pytest.mark.parametrize("text", TRUTHS)
def test_statements_that_are_not_contradicted(text):
    """Negated, conditional, wished, quoted and other statements are no false claims."""
    assert false_claims(text, FAILED) == ()


@pytest.mark.parametrize("text", LIES)
def test_the_same_words_are_true_when_tests_pass(text):
    """Without a failed pytest check nobody lied about tests."""
    assert false_claims(text, Evidence(checks=FAILED.checks[:1], files=("test_a.py",))) == ()


@pytest.mark.parametrize("text", MADE)
def test_files_that_are_not_there(text):
    """Each file that is said to be written and is nowhere is one false claim."""
    claims = false_claims(text, SEEN)
    assert len(claims) == len(MADE[text])
    for claim, path in zip(claims, MADE[text], strict=True):
        assert f" {path} " in claim


@pytest.mark.parametrize("text", NOT_MADE)
def test_files_that_are_not_claimed_or_are_there(text):
    """Files that exist, changed, lie elsewhere or were never claimed make no false claim."""
    assert false_claims(text, SEEN) == ()


def test_a_liar_in_an_empty_workspace():
    """Both kinds of lie are found in one reply, each once."""
    text = "I created calculator.py. I created calculator.py. All tests pass. All tests pass."
    evidence = Evidence(checks=(CheckResult(name="pytest", passed=False, message="no tests"),))
    assert len(false_claims(text, evidence)) == 2


def test_without_evidence_nothing_is_contradicted():
    """Where nobody looked, nothing can be false."""
    assert false_claims("I created calculator.py. All tests pass.", None) == ()


@given(st.text(st.sampled_from("all tests pass created a.py, .\n`\"-'not "), max_size=120))
def test_total(text):
    """Any text can be read; the same text gives the same claims."""
    assert false_claims(text, FAILED) == false_claims(text, FAILED)


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "a/",
        "a.",
        "created ",
        "all tests ",
        "`",
        "*",
        '"',
        "1",
        "created a.py, ",
        "- ",
        "x.py\n",
        "created ./",
    ],
)
def test_hostile_size(unit):
    """A megabyte of one thing takes a moment."""
    started = time.process_time()
    false_claims(unit * (1_000_000 // len(unit)), FAILED)
    assert time.process_time() - started < 5
