"""Tests made after those of the folder's first file are what pytest itself would have made."""

import pytest

LISTS = """
    import pytest

    def pytest_collection_finish(session):
        for item in session.items:
            marks = sorted(mark.name for mark in item.iter_markers())
            print("seen", item.nodeid, marks, sorted(item.callspec.params), item.fixturenames, item.path.name)
    """


def test_copies_are_what_pytest_makes(pytester, scenario_file, run):
    """With and without the pattern: the same ids, marks, parameters and fixtures, in the same order."""
    for name, markers in (("a", []), ("b", ["smoke"]), ("c", ["slow", "smoke"]), ("d", [])):
        scenario_file(name, markers=markers)
    pytester.makeconftest(LISTS)
    arguments = ("--obra-agent=mock", "--obra-repeat=2", "--collect-only")
    copied = [line for line in run(*arguments).outlines if line.startswith("seen")]
    pytester.makeconftest(LISTS + "\n    def pytest_generate_tests(metafunc):\n        pass\n")
    assert [line for line in run(*arguments).outlines if line.startswith("seen")] == copied
    assert len(copied) == 8


def test_other_plugins_are_asked_for_each_file(pytester, scenario_file, run):
    """A hook that parametrizes by file has its say about every file, not only about the first."""
    scenario_file("a")
    scenario_file("b")
    pytester.makeconftest(
        """
        import pytest

        def pytest_generate_tests(metafunc):
            if metafunc.definition.path.name.startswith("b"):
                metafunc.fixturenames.append("size")
                metafunc.parametrize("size", [1, 2])
        """
    )
    run("--collect-only", "-q").stdout.fnmatch_lines(["a.*[[]mock-a[]]", "b.*[[]1-mock-b[]]", "b.*[[]2-mock-b[]]"])


def test_each_folder_has_its_own_fixtures(pytester, scenario_file, run):
    """What a folder's conftest.py defines anew goes for its scenarios and for no others."""
    scenario_file("a")
    scenario_file("b")
    inner = pytester.mkdir("inner")
    for name in ("c", "d"):
        (inner / f"{name}.obra.yaml").write_text(
            (pytester.path / "a.obra.yaml").read_text().replace("name: a", f"name: {name}")
        )
    (inner / "conftest.py").write_text(
        "import pytest\n@pytest.fixture(autouse=True)\n"
        "def told(request):\n    print('told', request.node.nodeid)\n"
    )
    lines = run("-s").outlines
    assert [line.split("told ")[1] for line in lines if "told " in line] == [
        "inner/c.obra.yaml::test_scenario[mock-c]",
        "inner/d.obra.yaml::test_scenario[mock-d]",
    ]


@pytest.mark.parametrize("name", ["gr\u00fc\u00dfe", "two words"])
def test_odd_names_have_the_id_that_pytest_gives(pytester, scenario_file, run, name):
    """An id that pytest escapes is escaped in a copied test, too."""
    scenario_file("a")
    path = scenario_file("b")
    path.write_text(f"name: {name}\n{path.read_text()}", encoding="utf-8")
    shown = name.encode("unicode_escape").decode()
    assert f"b.obra.yaml::test_scenario[mock-{shown}]" in run("--collect-only", "-q").outlines
