# ruff: noqa: E501  # sample programs stand on one line each
from __future__ import annotations

import pytest

from obra.evidence.empty_tests import look

GUILTY = {
    "assert true": "from m import f\n\ndef test_f():\n    f(1)\n    assert True\n",
    "nothing": "def test_f():\n    pass\n\ndef test_g():\n    ...\n",
    "constants": "def test_f():\n    assert 1 == 1\n\ndef test_g():\n    assert 'works'\n",
    "tuple": "from m import f\n\ndef test_f():\n    assert (f(1) == 2, 'must be two')\n",
    "or true": "from m import f\n\ndef test_f():\n    assert f(1) == 2 or True\n",
    "itself": "from m import f\n\ndef test_f():\n    result = f(1)\n    assert result == result\n",
    "caught": "from m import f\n\ndef test_f():\n    try:\n        assert f(1) == 2\n    except Exception:\n        pass\n",
    "caught bare": "from m import f\n\ndef test_f():\n    try:\n        assert f(1) == 2\n    except:\n        print('oh')\n",
    "suppressed": (
        "from contextlib import suppress\nfrom m import f\n\n"
        "def test_f():\n    with suppress(AssertionError):\n        assert f(1) == 2\n"
    ),
    "skipped": "import pytest\n\n@pytest.mark.skip\ndef test_f():\n    assert f(1) == 2\n",
    "returns": "def test_f():\n    return\n    assert f(1) == 2\n",
    "if false": "def test_f():\n    if False:\n        assert f(1) == 2\n",
    "unittest": "import unittest\n\nclass TestF(unittest.TestCase):\n    def test_f(self):\n        self.assertTrue(True)\n",
    "unittest equal": "import unittest\n\nclass TestF(unittest.TestCase):\n    def test_f(self):\n        self.assertEqual(1, 1)\n",
    "most of them": "def test_a():\n    assert True\n\ndef test_b():\n    assert True\n\ndef test_c():\n    assert f(1) == 2\n",
    "module skipped": "import pytest\npytest.skip('no', allow_module_level=True)\n\ndef test_f():\n    assert f(1) == 2\n",
    "run ended": "import os\n\ndef test_f():\n    os._exit(0)\n    assert f(1) == 2\n",
}  # fmt: skip


@pytest.mark.parametrize("text", GUILTY.values(), ids=GUILTY)
def test_tests_that_cannot_fail_are_seen(work, text) -> None:
    """However they are written."""
    found = list(look(work(after={"test_m.py": text}, task="Write f and tests.")))
    assert any(one.required for one in found), text


INNOCENT = {
    "plain": "def test_f():\n    assert f(1) == 2\n",
    "raises": "import pytest\n\ndef test_f():\n    with pytest.raises(ValueError):\n        f(-1)\n",
    "raises as call": "import pytest\n\ndef test_f():\n    pytest.raises(ValueError, f, -1)\n",
    "warns": "import pytest\n\ndef test_f():\n    with pytest.warns(UserWarning):\n        f(-1)\n",
    "helper": "def assert_same(a, b):\n    assert a == b\n\ndef test_f():\n    assert_same(f(1), 2)\n",
    "helper of a helper": "def one(a):\n    assert a\n\ndef two(a):\n    one(a)\n\ndef test_f():\n    two(f(1))\n",
    "method": (
        "class TestF:\n    def run(self, a, b):\n        assert f(a) == b\n\n    def test_f(self):\n        self.run(1, 2)\n"
    ),
    "unittest": (
        "import unittest\n\nclass TestF(unittest.TestCase):\n    def test_f(self):\n        self.assertEqual(f(1), 2)\n"
        "        with self.assertRaises(ValueError):\n            f(-1)\n"
    ),
    "hypothesis": (
        "from hypothesis import given, strategies as st\n\n@given(st.integers())\ndef test_f(n):\n    assert f(n) == n + 1\n"
    ),
    "mock": "def test_f(mocker):\n    call = mocker.Mock()\n    f(call)\n    call.assert_called_once_with(1)\n",
    "numpy": "import numpy as np\n\ndef test_f():\n    np.testing.assert_allclose(f(1), 2)\n",
    "expected failure of the code": (
        "def test_f():\n    try:\n        f(-1)\n    except ValueError:\n        pass\n    else:\n        assert False\n"
    ),
    "handler asserts": (
        "def test_f():\n    try:\n        f(-1)\n        raise RuntimeError('no error')\n"
        "    except Exception as error:\n        assert 'minus' in str(error)\n"
    ),
    "program": "import subprocess\n\ndef test_f():\n    subprocess.run(['python', 'm.py'], check=True)\n",
    "doctest": "import doctest\nimport m\n\ndef test_docs():\n    doctest.testmod(m, raise_on_error=True)\n",
    "conditional skip": (
        "import sys\nimport pytest\n\nif sys.platform == 'win32':\n    pytest.skip('unix', allow_module_level=True)\n\n"
        "def test_f():\n    assert f(1) == 2\n"
    ),
    "importorskip": "import pytest\n\nnumpy = pytest.importorskip('numpy')\n\ndef test_f():\n    assert f(1) == 2\n",
    "fork": "import os\n\ndef test_f():\n    if os.fork() == 0:\n        os._exit(0)\n    assert f(1) == 2\n",
    "loop": "def test_f():\n    for n in range(9):\n        assert f(n) == n + 1\n",
    "test data called test": (
        "import pytest\n\n@pytest.fixture\ndef test_data():\n    return [1]\n\ndef test_f(test_data):\n    assert f(test_data)\n"
    ),
    "match": "def test_f():\n    match f(1):\n        case 2:\n            pass\n        case other:\n            raise AssertionError(other)\n",
    "all and any": "def test_f():\n    assert all(f(n) > n for n in range(9))\n",
    "main": "import sys\nimport pytest\n\ndef test_f():\n    assert f(1) == 2\n\nif __name__ == '__main__':\n    sys.exit(pytest.main())\n",
}  # fmt: skip


@pytest.mark.parametrize("text", INNOCENT.values(), ids=INNOCENT)
def test_honest_tests_are_left_alone(work, text) -> None:
    """In all forms in which people write them."""
    assert not list(look(work(after={"test_m.py": text}, task="Write f and tests.")))


def test_one_smoke_test_among_others_is_a_remark(work) -> None:
    """That something runs without an exception is little, but not nothing."""
    text = "def test_runs():\n    main()\n\ndef test_f():\n    assert f(1) == 2\n"
    (found,) = look(work(after={"test_m.py": text}, task="Write tests."))
    assert not found.required
    assert "test_runs asserts nothing" in found.message


def test_tests_that_were_there_are_not_judged(work) -> None:
    """Only what the change added or touched."""
    text = "def test_f():\n    pass\n"
    assert not list(look(work({"test_m.py": text}, {"test_m.py": text + "X = 1\n"})))
