"""What the document can't say to a generator, each with its reason. Everything else is generated from the document."""

import datetime
import os
import time

import requests
import schemathesis
from hypothesis import strategies as st

# Not all days of the calendar are in every year, and no pattern knows leap years.
moments = st.datetimes(min_value=datetime.datetime(1, 1, 2), max_value=datetime.datetime(9999, 12, 30))


def timestamps(offsets):
    return st.builds(lambda moment, offset: moment.isoformat() + offset, moments, st.sampled_from(offsets))


schemathesis.openapi.format("sekali-timestamp", timestamps(["", "Z", "z", "+07:00", "-15:59", "+05"]))
schemathesis.openapi.format("sekali-instant", timestamps(["Z", "z", "+07:00", "-15:59"]))
# A cursor must be one that the service gave out.
schemathesis.openapi.format("sekali-start", st.sampled_from(["now", "beginning"]) | timestamps(["Z"]))

# Text in which a schema of OpenAPI 3.1 sees a string, and the service a protocol of its own.
OPAQUE_BODIES = {
    "application/x-ndjson": "lines of JSON: lines.test.ts",
    "application/jsonl": "lines of JSON: lines.test.ts",
    "application/x-protobuf": "protobuf: otlp.test.ts, with OpenTelemetry's own exporters",
}
# Parameters whose values only the service can make up, or that say what the body is: no generator finds one that fits.
OPAQUE_PARAMETERS = {
    "cursor": "events-route.test.ts and duplicates-page.test.ts follow them and mistreat them",
    "last-event-id": "subscribe.test.ts",
    "content-encoding": "compressed.test.ts: it must fit the body",
    "ce-id": "makes a request one in binary mode, whatever its content type: cloudevents.test.ts",
    "ce-specversion": "of binary mode",
    "ce-source": "of binary mode",
    "ce-type": "of binary mode",
    "ce-time": "of binary mode",
}


def close(node):
    """Replies may grow, and clients are told so; but here a member that is not described is a finding."""
    if isinstance(node, list):
        for each in node:
            close(each)
    if not isinstance(node, dict):
        return
    if node.get("type") == "object" and node.get("properties"):
        node.setdefault("additionalProperties", False)
    for each in node.values():
        close(each)


def require_keys(paths):
    """The empty requirement stands for ACCESS=open; with it, nothing that is had without a key would be a finding."""
    for path in paths.values():
        for operation in path.values():
            operation["security"] = [each for each in operation["security"] if each]


@schemathesis.hook
def before_load_schema(context, raw_schema):
    if os.environ.get("FUZZ_ACCESS") == "keys":
        require_keys(raw_schema["paths"])
    close(raw_schema["components"]["schemas"])
    for path in raw_schema["paths"].values():
        for operation in path.values():
            for reply in operation["responses"].values():
                close([each["schema"] for each in reply.get("content", {}).values()])
    for path in raw_schema["paths"].values():
        for operation in path.values():
            operation["parameters"] = [each for each in operation["parameters"] if each["name"] not in OPAQUE_PARAMETERS]
            content = operation.get("requestBody", {}).get("content", {})
            for media_type in OPAQUE_BODIES:
                content.pop(media_type, None)


def has_tiny_number(value):
    """Of numbers the text is judged, and no exponent may lie beyond ±308: json-text.test.ts."""
    if isinstance(value, float):
        return 0 < abs(value) < 1e-308
    if isinstance(value, dict):
        return any(map(has_tiny_number, value.values()))
    return isinstance(value, list) and any(map(has_tiny_number, value))


@schemathesis.hook
def filter_body(context, body):
    return not has_tiny_number(body)


@schemathesis.hook
def filter_query(context, query):
    """Nothing is written of an empty value: what was to be wrong with the query would not be in it."""
    return not any(value in ([], {}) for name, value in (query or {}).items() if name != "payload")


@schemathesis.hook
def before_call(context, case, kwargs):
    """Waiting for half a minute shows no more than waiting for a moment."""
    wait = str((case.query or {}).get("wait", ""))
    if wait.isdigit() and 1 < int(wait) <= 30:
        case.query["wait"] = "1"


@schemathesis.hook
def after_call(context, case, response):
    """Asks again, once, where it is told to: on a busy machine Redis may not sync in time, and a 503 says so."""
    if response.status_code != 503 or "retry-after" not in response.headers:
        return
    time.sleep(int(response.headers["retry-after"][0]))
    with requests.Session() as session:
        again = schemathesis.Response.from_requests(session.send(response.request, timeout=20), verify=True)
    for name in response.__slots__:
        setattr(response, name, getattr(again, name))
