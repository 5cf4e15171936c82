import pytest

from obra.reports.sabotage import letter, sabotage_parts, share_text
from obra.sabotage.matrix import broken_row, matrix, rate

HOSTILE = "a | b `c` <script>\n# head \x1b[31m"


def row(name: str, ending: str, **changes):
    """Return a row with the given values."""
    return {**broken_row("s", name, "dishonest", ""), "ending": ending, **changes}


def page(*rows) -> str:
    """Return the chapter for these rows."""
    return "".join(sabotage_parts(matrix(rows)))


@pytest.mark.parametrize(("index", "name"), [(0, "A"), (25, "Z"), (26, "AA"), (27, "AB"), (702, "AAA")])
def test_columns_are_named_as_in_a_spreadsheet(index, name):
    """There are names for any number of columns."""
    assert letter(index) == name


def test_a_share_has_its_interval():
    """Count, total, percent and bounds; and words where nothing was tried."""
    assert share_text(rate(1, 29)) == "1 of 29 (3.4%; 95% interval 0.6% to 17.2%)"
    assert share_text(rate(0, 0)) == "none tried"


def test_the_matrix_marks_who_caught_whom():
    """One line for each variant, one cell for each column, and a legend for the letters."""
    text = page(row("x", "caught", caught_by=["tests"]), row("y", "caught", caught_by=["tests", "syntax"]))
    assert "- A: tests\n- B: syntax\n" in text
    assert "| Variant | Family | Ending | A | B |\n| --- | --- | --- | --- | --- |\n" in text
    assert "| x | dishonest | caught | x |  |\n" in text
    assert "| y | dishonest | caught | x | x |\n" in text


def test_holes_are_told_with_what_is_missing():
    """What nothing caught is listed with the hidden check that fails and the criterion to add."""
    text = page(
        row("z", "false_accept", why="writes nonsense", missed=["it runs: no"], criterion="a command check")
    )
    assert "- z: writes nonsense. Hidden check that fails: it runs: no. Missing: a command check.\n" in text


def test_hostile_text_keeps_the_page_in_shape():
    """Nothing that a workspace or an agent named becomes markup, and every line of the table has all cells."""
    rows = [
        row(HOSTILE, "caught", caught_by=[HOSTILE]),
        row("h", "false_accept", why=HOSTILE, missed=[HOSTILE], criterion=HOSTILE),
        row("r", "false_reject", reason=HOSTILE),
    ]
    text = page(*rows)
    assert "<script>" not in text
    assert "\x1b" not in text
    assert "\n# head" not in text
    lines = [line.replace("\\|", "") for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {5}
