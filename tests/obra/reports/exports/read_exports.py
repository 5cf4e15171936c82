"""Read exports with the packages that they are made for; run by a Python that has these.

Arguments: the file of traces, the log, the folder of trajectories, and the folder that harbor was unpacked into.
"""

import base64
import json
import sys
import types
from pathlib import Path

traces, log, trajectories, harbor = map(Path, sys.argv[1:])

from google.protobuf import json_format  # noqa: E402
from inspect_ai.log import read_eval_log  # noqa: E402
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest  # noqa: E402

spans = []
for line in traces.read_text().splitlines():
    request = json.loads(line)
    for span in request["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        for key in {"traceId", "spanId", "parentSpanId"} & span.keys():
            span[key] = base64.b64encode(bytes.fromhex(span[key])).decode()  # OTLP/JSON has hex, protobuf base64
    parsed = json_format.Parse(json.dumps(request), ExportTraceServiceRequest())
    spans += [one.name for one in parsed.resource_spans[0].scope_spans[0].spans]

read = read_eval_log(str(log))

# Harbor itself asks for a newer Python; its models of trajectories are modules of their own.
for name in ("harbor", "harbor.models"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [str(harbor / name.replace(".", "/"))]
from harbor.models.trajectories.trajectory import Trajectory  # noqa: E402

steps = [
    len(Trajectory.model_validate_json(path.read_text()).steps) for path in sorted(trajectories.glob("*.json"))
]
sys.stdout.write(
    json.dumps(
        {
            "spans": spans,
            "samples": [
                [one.id, one.epoch, {name: score.value for name, score in one.scores.items()}, bool(one.error)]
                for one in read.samples
            ],
            "passed": next(one.metrics["mean"].value for one in read.results.scores if one.name == "passed"),
            "steps": steps,
        }
    )
)
