"""Validates an OpenAPI document, and answers against the schemas that it has for them; prints what is wrong."""

import json
import sys

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

given = json.load(sys.stdin)
document = given["document"]
complaints = [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()]

# What is sent must be described: a field too many is as wrong as one that is missing.
components = json.loads(json.dumps(document["components"]))
for schema in components["schemas"].values():
    if "properties" in schema:
        schema.setdefault("additionalProperties", False)

for answer in given["answers"]:
    responses = document["paths"][answer["path"]][answer.get("method", "get")]["responses"]
    schema = responses[answer["status"]]["content"][answer["type"]]["schema"]
    validator = Draft202012Validator(
        {**schema, "components": components}, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    for error in validator.iter_errors(answer["body"]):
        complaints.append(f"{answer['path']} {answer['status']} {error.json_path}: {error.message}")

if complaints:
    sys.exit("\n".join(complaints))
