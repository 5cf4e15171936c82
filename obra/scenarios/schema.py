"""The JSON Schema of a scenario file, from which editors complete and check while one types."""

from __future__ import annotations

import json
from typing import Any

from obra.evidence.collector import KINDS
from obra.scenarios.scenario import ScenarioForm


def scenario_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12) of ``*.obra.yaml``, every kind of check included."""
    schema = ScenarioForm.model_json_schema()
    definitions = schema["$defs"]
    for kind, model in KINDS.items():
        form = model.model_json_schema(ref_template="#/$defs/{model}")
        definitions.update(form.pop("$defs", {}))
        definitions[f"check_{kind}"] = {**form, "required": [kind]}
    check = {"anyOf": [{"$ref": f"#/$defs/check_{kind}"} for kind in KINDS]}
    schema["properties"]["checks"]["items"] = check
    definitions["ExpectForm"]["properties"]["truth"]["items"] = check
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Obra scenario"}


def schema_text() -> str:
    """Return the schema as the text of ``scenarios/schema.json``."""
    return json.dumps(scenario_schema(), indent=2, ensure_ascii=False) + "\n"
