"""The JSON Schema of a scenario file, from which editors complete and check while one types."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from obra.evidence.checks import Check
from obra.evidence.collector import KINDS
from obra.scenarios.forms import ScenarioForm
from obra.scenarios.scenario_settings import NOT_A_SCENARIOS


def scenario_schema(also: Mapping[str, type[Check]] | None = None) -> dict[str, Any]:
    """Return the schema (draft 2020-12) of ``*.obra.yaml``, every kind of check included.

    Args:
        also: kinds of check by third parties, by name; see :func:`obra.evidence.kinds.installed_kinds`.
    """
    schema = ScenarioForm.model_json_schema()
    definitions = schema["$defs"]
    kinds = {**KINDS, **(also or {})}
    for kind, model in kinds.items():
        form = model.model_json_schema(ref_template="#/$defs/{model}")
        definitions.update(form.pop("$defs", {}))
        definitions[f"check_{kind}"] = {**form, "required": [kind]}
    check = {"anyOf": [{"$ref": f"#/$defs/check_{kind}"} for kind in kinds]}
    for owner, key in (
        (schema, "checks"),
        (definitions["PartForm"], "checks"),
        (definitions["ExpectForm"], "truth"),
    ):
        owner["properties"][key]["items"] = check
    _without_what_scenarios_may_not_set(definitions)
    _without_what_nobody_needs(schema)
    schema["anyOf"] = [{"required": ["task"]}, {"required": ["tasks"]}]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Obra scenario"}


def schema_text(also: Mapping[str, type[Check]] | None = None) -> str:
    """Return the schema as the text of ``scenarios/schema.json``; *also* as for :func:`scenario_schema`."""
    return json.dumps(scenario_schema(also), indent=2, ensure_ascii=False) + "\n"


def _without_what_scenarios_may_not_set(definitions: dict[str, Any]) -> None:
    """Take away the settings that belong to the machine."""
    for key in NOT_A_SCENARIOS:
        *sections, last = key.split(".")
        owner = definitions["Settings"]
        for section in sections:
            (target,) = _targets(owner["properties"][section])
            owner = definitions[target]
        del owner["properties"][last]


def _without_what_nobody_needs(schema: dict[str, Any]) -> None:
    """Take away definitions that nothing leads to, and defaults that only repeat a whole form."""
    definitions, wanted = schema["$defs"], set(_targets(schema["properties"]))
    while more := {name for one in wanted for name in _targets(definitions[one])} - wanted:
        wanted |= more
    schema["$defs"] = {name: part for name, part in definitions.items() if name in wanted}
    for form in (schema, *schema["$defs"].values()):
        for one in form.get("properties", {}).values():
            if isinstance(one.get("default"), dict):
                del one["default"]


def _targets(part: Any) -> Iterator[str]:
    """Yield the names of the definitions that *part* refers to."""
    if isinstance(part, Mapping):
        if isinstance(target := part.get("$ref"), str):
            yield target.removeprefix("#/$defs/")
        for inner in part.values():
            yield from _targets(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _targets(inner)
