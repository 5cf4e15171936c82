"""``--obra-sabotage``: one test for each dishonest and each oddly dressed variant of a scenario's script."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from obra.errors import ScenarioError
from obra.sabotage.matrix import broken_row, row_of
from obra.sabotage.trial import run_variant
from obra.sabotage.variants import Variant, variants
from obra.scenarios.scenario import Scenario
from pytest_obra.reporters.sabotage_table import variant_text

if TYPE_CHECKING:
    from obra.config import Config
    from obra.state.state_manager import StateManager

_ROW = pytest.StashKey[dict[str, Any]]()


def variants_of(scenario: Scenario) -> tuple[Variant, ...]:
    """Return the variants of a scenario that pytest is to collect.

    Raises:
        ScenarioError: it has no script, or its script cannot be followed.
    """
    if not scenario.script:
        raise ScenarioError(
            f"{scenario.path}: --obra-sabotage makes its variants from the scenario's 'script:', and this one has "
            f"none; write one, or deselect the file"
        )
    return variants(scenario)


def make_sabotage_test() -> Callable[..., None]:
    """Return the test function of one scenario file; each file needs a function object of its own."""

    def test_sabotage(
        *,
        request: pytest.FixtureRequest,
        scenario: Scenario,
        obra_variant: Variant,
        obra_config: Config,
        obra_state: StateManager,
        obra_workspace: Path,
    ) -> None:
        result = run_variant(scenario, obra_variant, obra_config, root=obra_workspace, state_manager=obra_state)
        row = row_of(result)
        request.node.stash[_ROW] = row
        if result.false_accept or result.false_reject:
            pytest.fail(variant_text(row), pytrace=False)

    return test_sabotage


def parametrize_variants(metafunc: pytest.Metafunc) -> None:
    """Give the test of one scenario file its variants."""
    metafunc.parametrize(
        ("scenario", "obra_variant"),
        [
            pytest.param(
                scenario,
                variant,
                id=f"sabotage-{variant.name}{scenario.case.removeprefix(scenario.name)}",
                marks=[getattr(pytest.mark, name) for name in scenario.markers],
            )
            for scenario, variant in metafunc.module.obra_variants
        ],
    )


def annotate_variant(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
    """Put the variant's row on its report; one for which the machinery broke gets a row that says so."""
    callspec = getattr(item, "callspec", None)
    if callspec is None or "obra_variant" not in callspec.params:
        return
    if call.when == "call" and _ROW in item.stash:
        vars(report)["obra_variant_row"] = item.stash[_ROW]
    elif report.failed:
        error = call.excinfo.value if call.excinfo else ""
        scenario: Scenario = callspec.params["scenario"]
        variant: Variant = callspec.params["obra_variant"]
        vars(report)["obra_variant_row"] = broken_row(scenario.case, variant.name, variant.family, str(error))
