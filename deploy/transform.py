"""
Turns the SAM template into plain CloudFormation, as AWS does on deployment, and writes that as JSON.

Runs in the environment of checks.lock: `python transform.py template.yaml out.json`. The transformation finds unknown
and misspelt properties of serverless resources, which cfn-lint passes over.
"""

import json
import sys
from pathlib import Path

from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.translator.managed_policy_translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

_PACKAGE = "s3://a-bucket-for-packages/lambda.zip"


def main(template: Path, out: Path) -> int:
    document = yaml_parse(template.read_text(encoding="utf-8"))
    for resource in document["Resources"].values():
        if "CodeUri" in resource.get("Properties", {}):
            resource["Properties"]["CodeUri"] = _PACKAGE  # what `sam package` puts there
    parameters = {
        name: declared["Default"] for name, declared in document["Parameters"].items() if "Default" in declared
    }
    try:
        transformed = transform(document, parameters, ManagedPolicyLoader(None))
    except InvalidDocumentException as error:
        print("\n".join([error.message, *(cause.message for cause in error.causes)]))
        return 1
    out.write_text(json.dumps(transformed, indent=2), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
