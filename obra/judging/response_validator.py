"""Whether a reply is an answer at all. What it is worth is shown by the workspace, never by its words."""

from __future__ import annotations

import re
from typing import Any

from obra.domain import Problem, Validation
from obra.judging.fences import Markdown, read_markdown
from obra.judging.sentences import clauses, is_negated, plain, sentences

LONGEST_REFUSAL = 600
"""Characters; a refusal is short. A longer reply has something else to say as well."""
LONGEST_ENDING = 2000
"""Characters at the end of a reply that can hold its closing question."""
FEWEST_WORDS_TO_TRUNCATE = 4
"""A reply with fewer words that ends without a full stop is terse, not cut."""

_REFUSAL = re.compile(
    r"\b(?:i|we)(?:'m| am|'re| are)? (?:\w+ )?(?:can't|cannot|can not|won't|will not|unable to|not able to|"
    r"not going to|refuse to|must decline|have to decline|decline to|not comfortable|not allowed to|couldn't|"
    r"could not)\b(?! (?:believe|wait|see any|find any|think of any))"
    r"|\b(?:unable|refusing) to (?:do|help|assist|comply|complete)\b"
    r"|\bkann (?:ich )?(?:\w+ ){0,3}nicht\b|\bich kann (?:\w+ ){0,4}nicht\b|\bich werde (?:\w+ ){0,4}nicht\b"
    r"|\bje ne peux pas\b|\bje ne suis pas en mesure\b|\bje refuse\b"
    r"|\bno puedo\b|\bnon posso\b|\bn\u00e3o posso\b|\bik kan (?:\w+ ){0,4}niet\b|\bnie mog\u0119\b"
    r"|\u044f \u043d\u0435 \u043c\u043e\u0433\u0443|\u6211(?:\u65e0\u6cd5|\u4e0d\u80fd)"
    r"|\u3067\u304d\u307e\u305b\u3093|\ud560 \uc218 \uc5c6",
    re.IGNORECASE,
)
_BARE_NO = frozenset({"no", "nope", "no way"})
_WORK = re.compile(
    r"\b(?:created|wrote|written|added|implemented|fixed|updated|changed|removed|deleted|renamed|edited|"
    r"refactored|finished|completed|done|pass(?:es|ed|ing)?|tested|works|verified|ran|built|installed|moved|"
    r"erstellt|geschrieben|fertig|getestet|behoben|termin\u00e9|cr\u00e9\u00e9|\u00e9crit|creado|escrito|hecho)\b",
    re.IGNORECASE,
)
_LIST_LINE = re.compile(r"(?:[-*+\u2022]|\(?[0-9A-Za-z][.)])\s")
_OFFER = re.compile(
    r"^(?:so |and |ok(?:ay)? )?(?:(?:do you )?want(?: me)? to|want me|would you like|do you want|shall i|should i|"
    r"can i|could i|may i|is there|anything|any |need |"
    r"ready |is (?:that|this|it) |how does|does (?:that|this)|sound|ok|okay|all good|"
    r"m\u00f6chte(?:st|n)|soll ich|voulez-vous|souhaitez-vous|\u00bf?quier(?:es|e)|\u00bf?desea)",
    re.IGNORECASE,
)
_PERMISSION = re.compile(
    r"^(?:shall|should|can|could|may) i\b|\b(?:proceed|go ahead|continue|start|begin|fortfahren|beginnen)\b"
    r"|\b(?:or|oder|ou|o)\b|\bimplement (?:this|it|that|these)\b",
    re.IGNORECASE,
)
_MORE = re.compile(
    r"\b(?:also|too|as well|additional(?:ly)?|further|more|next|else|another|extra|instead|auch|noch|weitere\w?|"
    r"zus\u00e4tzlich|aussi|d'autres?|tambi\u00e9n|m\u00e1s)\b",
    re.IGNORECASE,
)
_ASKS_PLAINLY = re.compile(
    r"\b(?:let me know|tell me) (?:which|what|how|whether|where|who|your (?:choice|preference))\b"
    r"|\bplease (?:specify|clarify|choose|decide|advise|provide|tell me|pick|answer)\b"
    r"|\bplease confirm (?:which|what|how|whether|before|if)\b"
    r"|\b(?:i|we) need (?:you to|your (?:answer|decision|input)|more (?:information|details))\b",
    re.IGNORECASE,
)
COURTESIES = (
    "thank",
    "please",
    "let me know",
    "i'll wait",
    "i will wait",
    "once i ",
    "once you",
    "then i ",
    "danke",
)
_CUT_WORDS = frozenset({"the", "a", "an", "and", "or", "but", "because", "although", "whereas", "if", "than"})
_CUT_MARKS = (",", "(", "[", "{", ":", ";")


class ResponseValidator:
    """Finds what is wrong with a reply as an answer.

    Words such as "error" or "failed" mean nothing by themselves: good work is reported with them every day.
    """

    def __init__(self, llm: Any = None) -> None:
        """Take the LLM for the sake of one way of construction; no model is asked here, so none can be fooled."""
        self.llm = llm

    def validate_response(self, text: str) -> Validation:
        """Return the problems of *text* in a fixed order, and the closing question when it asks one.

        The same text gives the same result; the time is linear in its length.
        """
        text = plain(str(text))
        if not _says_something(text):
            return Validation(problems=(Problem.EMPTY,))
        markdown = read_markdown(text)
        unclosed = any(not fence.closed for fence in markdown.fences)
        question = closing_question(markdown)
        found = {
            Problem.REFUSAL: _is_refusal(markdown),
            Problem.QUESTION: bool(question),
            Problem.TRUNCATED: not question and _is_truncated(markdown),
            Problem.UNCLOSED_FENCE: unclosed,
        }
        return Validation(problems=tuple(problem for problem, there in found.items() if there), question=question)


def reports_work(prose: str) -> bool:
    """Tell whether *prose* says, in a clause that is not negated, that something was done."""
    return any(
        _WORK.search(clause) and not is_negated(clause)
        for sentence in sentences(prose)
        for clause in clauses(sentence)
    )


def closing_question(markdown: Markdown) -> str:
    """Return the sentence with which a reply ends by asking the person to decide, or nothing.

    An offer of something more after work that is reported ("Want me to also add X?") is no such question.
    """
    if markdown.ends_in_fence:
        return ""
    lines = [line.strip() for line in markdown.prose[-LONGEST_ENDING:].split("\n") if line.strip()]
    before, listed = _without_list(lines)
    if before and listed and before[-1].endswith((":", "?")) and listed[-1].endswith("?"):
        return listed[-1]
    last = [one for one in sentences("\n".join((before or lines)[-2:])) if _says_something(one)]
    for sentence in reversed(last[-2:]):
        bare = _bare(sentence)
        if _ASKS_PLAINLY.search(bare):
            return sentence
        if bare.endswith("?"):
            return "" if _is_offer(bare, markdown) else sentence
        if not _is_courtesy(bare):
            break
    return ""


def _without_list(lines: list[str]) -> tuple[list[str], list[str]]:
    """Split off a list at the end of *lines*; one line of courtesy may follow it."""
    end = len(lines)
    if end > 1 and _is_courtesy(lines[-1]) and _LIST_LINE.match(lines[-2]):
        end -= 1
    start = end
    while start and _LIST_LINE.match(lines[start - 1]):
        start -= 1
    return (lines[:start], lines[start:end]) if start < end else (lines, [])


def _says_something(text: str) -> bool:
    return any(mark.isalnum() for mark in text)


def _bare(sentence: str) -> str:
    """Strip marks of emphasis, brackets and pictures from both ends, and nothing that carries meaning."""
    end = len(sentence)
    while end and not sentence[end - 1].isalnum() and sentence[end - 1] not in "?.!\"'`:,":
        end -= 1
    return sentence[:end].lstrip("*_#>-( ")


def _is_courtesy(sentence: str) -> bool:
    return sentence.lower().startswith(COURTESIES)


def _is_offer(question: str, markdown: Markdown) -> bool:
    if not _OFFER.match(question):
        return False
    worked = bool(markdown.fences) or reports_work(markdown.prose.replace(question, " "))
    return worked and (_MORE.search(question) is not None or not _PERMISSION.search(question))


def _is_refusal(markdown: Markdown) -> bool:
    prose = markdown.prose.strip()
    if markdown.fences or len(prose) > LONGEST_REFUSAL:
        return False
    if prose.lower().rstrip(".! ") in _BARE_NO:
        return True
    return _REFUSAL.search(prose) is not None and not reports_work(prose)


def _is_truncated(markdown: Markdown) -> bool:
    if markdown.ends_in_fence:
        return False
    ending = markdown.prose[-LONGEST_ENDING:].rstrip()
    words = ending.split()
    if len(words) < FEWEST_WORDS_TO_TRUNCATE:
        return False
    return ending.endswith(_CUT_MARKS) or words[-1] in _CUT_WORDS
