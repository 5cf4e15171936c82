"""All saboteurs of a scenario, and all its honest agents in odd clothes."""

from __future__ import annotations

from collections.abc import Iterator

from obra.sabotage.code_faults import code_faults
from obra.sabotage.faulty_tests import faulty_tests
from obra.sabotage.material import Family, Material, Variant, end_state, final_step, start_files
from obra.sabotage.odd_clothes import odd_clothes
from obra.sabotage.places import misplaced
from obra.sabotage.runaways import runaways
from obra.sabotage.words import fillers, liars
from obra.scenarios.scenario import Scenario

__all__ = ["Family", "Variant", "end_state", "final_step", "start_files", "variants"]


def variants(scenario: Scenario) -> tuple[Variant, ...]:
    """Return the variants that are meaningful for the script of *scenario*; none when it has no script.

    The same scenario gives the same variants, in every process. A dishonest one that would leave behind what the
    honest one does is left out, and names are used once.

    Raises:
        ScenarioError: the script's edits do not fit what it edits.
    """
    if not scenario.script:
        return ()
    start = start_files(scenario)
    material = Material(scenario=scenario, start=start, step=final_step(scenario.script, start))
    found: dict[str, Variant] = {}
    for variant in _all(material):
        if variant.family is Family.HONEST or not _is_honest_work(material, variant):
            found.setdefault(variant.name, variant)
    return tuple(found.values())


def _all(material: Material) -> Iterator[Variant]:
    yield from liars(material)
    yield from fillers(material)
    yield from code_faults(material)
    yield from faulty_tests(material)
    yield from misplaced(material)
    yield from runaways(material)
    yield from odd_clothes(material)


def _is_honest_work(material: Material, variant: Variant) -> bool:
    """Tell whether a dishonest variant does what the honest step does, agent and all."""
    step, honest = variant.script[0], material.step
    same_effects = (step.edit, step.run) == (honest.edit, honest.run)
    return same_effects and variant.files == material.files and not variant.agent
