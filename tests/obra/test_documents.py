"""Document: what it reads is what YAML's own loader reads."""

import math

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from obra.documents import Document, DocumentError
from obra.errors import CheckError
from obra.evidence.collector import parse_check

PLAIN = """\
0|1|-1|+1|007|0o7|0x1F|0b1|1_000|1:30|1:30.5|0.50|.5|5.|1e3|1.0e+3|-.inf|.nan|~|null|Null|yes|no|on|off|true|FALSE
y|n|2024-01-02|2024-01-02T03:04:05Z|=|<<|a|'a'|'1'|"1"|!!str 1|!!int '3'|!!float '3'|!!binary aGk="""
WORDS = st.sampled_from([word for line in PLAIN.splitlines() for word in line.split("|")])
SCALARS = st.one_of(WORDS, st.from_regex(r"[-+]?[0-9_.:e]{1,8}", fullmatch=True))


def same(one, other):
    """Tell whether two values are alike, types and numbers that are none included."""
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


@settings(deadline=None)  # the first example pays for imports
@given(st.lists(SCALARS, min_size=1, max_size=5))
def test_values_are_those_of_the_general_loader(words):
    """Every kind of plain value, in lists and mappings, read one after the other."""
    text = "".join(f"key{number}: [{word}, {{in: {word}}}]\n" for number, word in enumerate(words))
    try:
        expected = yaml.load(text, Loader=yaml.CSafeLoader)  # the safe one
    except (yaml.YAMLError, ValueError):
        with pytest.raises(DocumentError):
            Document.parse("a.yaml", text)
        return
    assert same(Document.parse("a.yaml", text).data, expected)


@pytest.mark.parametrize(
    "text", ["1: a\n", "true: a\nb: c\n", "? [a]\n: b\n", "<<: {a: 1}\nb: 2\n", "- &a b\n- *a\n"]
)
def test_odd_keys_and_anchors(text):
    """Keys that are no text, merged keys and anchors go the general way, or are refused like there."""
    try:
        expected = yaml.load(text, Loader=yaml.CSafeLoader)  # the safe one
    except yaml.YAMLError:
        with pytest.raises(DocumentError):
            Document.parse("a.yaml", text)
        return
    assert Document.parse("a.yaml", text).data == expected


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 3\n", "x: {a: 1, a: 2}\n", "1: a\n1: b\n"])
def test_a_key_that_stands_twice(text):
    """It is refused, with its line, wherever it stands and whatever it is."""
    with pytest.raises(DocumentError, match=r"^a\.yaml:\d: the key .* stands here twice$"):
        Document.parse("a.yaml", text)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("!!bool foo", "bool"),
        ("!!int ''", "int"),
        ("!!timestamp x", "timestamp"),
        ("&a !!float x", "float"),
        ("2020-13-45", "timestamp"),
    ],
)
def test_a_value_that_is_not_what_its_tag_says_is_refused_with_its_line(value, kind):
    """In a value and in a key, and not with whatever the library's conversion raises."""
    for text in (f"one: 1\ntwo: {value}\n", f"one: 1\n? {value}\n: 2\n"):
        with pytest.raises(
            DocumentError, match=rf"^a\.yaml:2: '.*' cannot be read as !!{kind}; mend it, or in quotes"
        ):
            Document.parse("a.yaml", text)


def test_a_folder_is_no_document(tmp_path):
    """Whoever names one is told to name a file in it."""
    with pytest.raises(DocumentError, match=r"cannot be read: Is a directory; name a file in it$"):
        Document.read(tmp_path)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("a:\n\tb: 1", "indent with spaces"),
        ("a: b\n\tc: d", "indent with spaces"),
        ("a: !!python/object x", "leave the tag out"),
        ("a: say: it", "in quotes"),
        ("a: 1\nb", "is a ':' missing"),
        ("a:\n  b: 1\n c: 2", "begin in the same column"),
        ('a: "b', "not closed"),
        ("a: [b", "not closed"),
        ("a: @b", "in quotes"),
        ("- a\nb: c", "begin with '- '"),
    ],
)
def test_what_yaml_says_is_followed_by_what_to_do(text, hint):
    """The library's own words help nobody who writes the first scenario."""
    with pytest.raises(DocumentError, match=r"^x\.yaml:\d: [^;]+; ") as caught:
        Document.parse("x.yaml", text)
    assert hint in str(caught.value).partition("; ")[2]


def test_a_list_of_which_nothing_is_right_is_not_called_short():
    """One mistake is one message."""
    with pytest.raises(CheckError) as caught:
        parse_check({"file": "../x"})
    assert "'..' can leave the workspace" in str(caught.value)
    assert "at least" not in str(caught.value)
    with pytest.raises(CheckError, match="at least"):
        parse_check({"file": []})
