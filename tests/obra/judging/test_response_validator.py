import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.domain import Problem
from obra.judging.response_validator import LONGEST_REFUSAL, ResponseValidator

REFUSALS = [
    "I can't do that",
    "I can\u2019t do that.",
    "I can\u200b't do that",
    "I'm unable to complete this task.",
    "I am not able to help with this.",
    "Sorry, but I won't do this. Nothing was changed.",
    "I'm sorry, I must decline.",
    "Unable to comply.",
    "No.",
    "I cannot do that because the file was created by somebody else.",
    "Das kann ich leider nicht machen.",
    "Ich kann dir dabei nicht helfen.",
    "Je ne peux pas faire cela.",
    "Lo siento, no puedo hacer eso.",
    "Non posso farlo.",
    "\u042f \u043d\u0435 \u043c\u043e\u0433\u0443 \u044d\u0442\u043e \u0441\u0434\u0435\u043b\u0430\u0442\u044c.",
    "\u6211\u65e0\u6cd5\u5b8c\u6210\u8fd9\u4e2a\u4efb\u52a1\u3002",
    "\uff29 \uff43\uff41\uff4e\uff4e\uff4f\uff54 do it",
]
ANSWERS = [
    "Done",
    "Done.",
    "ok",
    "Hello. I have no script, so I change nothing.",
    "Here's the code:\n```python\nprint('hello')\n```",
    "I can't run a display here, but the logic is tested and all files are written",
    "I won't touch other files. The function is fixed.",
    "I can't believe how short this is.",
    "The error handler failed at first; an error is now raised for zero.",
    "Fixed: failed, error, exception, refused.",
    "I created calculator.py and its tests. Want me to also add logging?",
    "All done. Would you like me to change anything?",
    "Everything is implemented. Let me know if you have questions!",
    "The file is written. Thanks! Is there anything else I can do?",
    "Was that hard? It was not.",
    "What do I get? Answers. Tested. Done.",
    "How to use it:\n\nHow do you run it?\n```sh\npython calc.py\n```",
    "Fertig, alles getestet. Soll ich noch die Dokumentation schreiben?",
    "Option A",
    "All is written.\nThanks! Let me know.",
    "Created both files. Is that what you wanted?",
    "I fixed it. These remain:\n- docs\n- why is it slow?\n- more",
    "I fixed what was asked.\n- why is it slow?",
    "It prints `Ready?`",
    'It prints "Ready?"',
    "I wrote these:\n- a.py\n- b.py",
    "- only\n- a list",
    "I can't do X." + " The rest of this long report explains what stands." * 20,
]
QUESTIONS = {
    "Which database should I use?": "Which database should I use?",
    "I wrote a draft. Should I use SQLite or Postgres?": "Should I use SQLite or Postgres?",
    "I read the code.\n\nWhich one do you want?\n1. speed\n2. clarity": "Which one do you want?",
    "I wrote the plan. Shall I proceed?": "Shall I proceed?",
    "Would you like me to implement this?": "Would you like me to implement this?",
    "Before I begin, please specify the format.": "please specify the format.",
    "What is your target? Please let me know which.": "Please let me know which.",
    "Which Python version? Thanks!": "Which Python version?",
    "**Which one should it be?**": "**Which one should it be?**",
    "Which one? \U0001f642": "Which one?",
    "Could you tell me:\n\n1. Which code?\n2. What matters?\n\nOnce I know, I can start.": "2. What matters?",
    "Is this the right folder?": "Is this the right folder?",
    "\u4f60\u60f3\u8981\u54ea\u4e00\u4e2a\uff1f": "\u4f60\u60f3\u8981\u54ea\u4e00\u4e2a?",
    "I've created it. Would you like me to start over?": "Would you like me to start over?",
}
CUT = [
    "I have written the first function and now I will add the",
    "The files are these, and they hold the functions,",
    "Now I will write the second file:",
    "This does not work yet because",
]


def problems(text):
    """What the validator finds in *text*."""
    return ResponseValidator().validate_response(text).problems


@pytest.mark.parametrize("text", REFUSALS)
def test_refusals(text):
    """A short reply that only declines is a refusal, in several languages and spellings."""
    assert problems(text) == (Problem.REFUSAL,)


@pytest.mark.parametrize("text", ANSWERS)
def test_answers(text):
    """Terse, offering, limited or error-reporting replies are answers all the same."""
    assert problems(text) == ()


@pytest.mark.parametrize("text", QUESTIONS)
def test_questions(text):
    """A reply that ends by asking for a decision is a question, and the sentence is kept."""
    found = ResponseValidator().validate_response(text)
    assert found.problems == (Problem.QUESTION,)
    assert QUESTIONS[text] in found.question
    assert not found["valid"]


@pytest.mark.parametrize("text", CUT)
def test_truncated(text):
    """A reply that stops in the middle of a sentence is cut."""
    assert problems(text) == (Problem.TRUNCATED,)


@pytest.mark.parametrize("text", ["", "  \n\t ", "...", "\u200b\u200b", "\U0001f642"])
def test_empty(text):
    """A reply without one letter or digit is empty."""
    assert problems(text) == (Problem.EMPTY,)


def test_the_plans_calls():
    """The plan's own snippet works, with any LLM."""
    validator = ResponseValidator(object())
    assert validator.validate_response("Here's the code:\n```python\nprint('hello')\n```")["valid"] is True
    assert validator.validate_response("I can't do that")["valid"] is False


def test_an_unclosed_fence():
    """A code block without an end is a problem; text inside it is not prose."""
    assert problems("Here it is:\n```python\nx = 1\nWhich one") == (Problem.UNCLOSED_FENCE,)


def test_a_long_text_that_declines_is_no_refusal():
    """Beyond the length of a refusal, declining is part of a report."""
    assert problems("I can't do that. " + "x" * LONGEST_REFUSAL) == ()


@given(st.text(max_size=300))
def test_total_and_deterministic(text):
    """Any text gets one validation, always the same; a question is kept exactly when one is found."""
    found = ResponseValidator().validate_response(text)
    assert found == ResponseValidator().validate_response(text)
    assert bool(found.question) == (Problem.QUESTION in found.problems)


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        " ",
        "\n",
        "I can't ",
        "?",
        "? ",
        "`",
        "```\n",
        "not, ",
        '"',
        "\u0301\u0323",
        "*_",
        "- ",
        "kann ",
        "tests pass. ",
    ],
)
def test_hostile_size(unit):
    """A megabyte of one thing takes a moment, whatever the thing is."""
    text = unit * (1_000_000 // len(unit))
    started = time.process_time()
    ResponseValidator().validate_response(text)
    assert time.process_time() - started < 5
