"""The examples for CI services: right by the services' own published schemas, and by our own command line."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("check_jsonschema")

KITS = Path(__file__).parent.parent / "docs" / "ci"


@pytest.mark.parametrize(
    ("kit", "schema"),
    [("github-workflow.yml", "vendor.github-workflows"), ("gitlab-ci.yml", "vendor.gitlab-ci")],
)
def test_a_kit_is_right_by_its_schema(kit, schema):
    """check-jsonschema holds both schemas, so this needs no network."""
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, KITS / kit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kit", ["github-workflow.yml", "gitlab-ci.yml"])
def test_a_kit_uses_options_that_there_are(kit):
    """Every option of ours in it is known to pytest or to obra."""
    text = (KITS / kit).read_text()
    helped = "".join(
        subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, check=True).stdout
        for words in (("pytest", "--help"), ("obra", "report", "--help"))
    )
    options = set(re.findall(r"(--obra-[\w-]+)", text)) | {"--format", "--out"}
    assert {one for one in options if one not in helped} == set()


def test_allure_is_configured_by_plain_json():
    """Its categories go by the label that Obra writes."""
    rules = json.loads((KITS / "allurerc.json").read_text())["categories"]["rules"]
    assert [rule["name"] for rule in rules] == ["The verdict is wrong", "The agent failed", "The machinery broke"]


@pytest.mark.parametrize("kit", sorted(path.name for path in KITS.iterdir()))
def test_what_is_shipped_is_what_is_shown(kit):
    """The copy in the package, which `obra init` writes, is the one in docs/."""
    assert (KITS.parent.parent / "obra" / "kits" / kit).read_bytes() == (KITS / kit).read_bytes()
