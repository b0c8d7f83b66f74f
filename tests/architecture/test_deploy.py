"""What stands in deploy/ fits the program: the template, the compose file, the image and the locks."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

from config.deploy_checks import deployed_lock_findings
from config.env import read_settings
from config.packaging import HANDLER, PYTHON

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
PAGE = (DEPLOY / "README.md").read_text(encoding="utf-8")
DEVELOPMENT_ONLY = {"config/up.py", "config/checks.py", "config/deploy_checks.py"}

TEXTS = {"type": "array", "items": {"type": "string"}}
SCALAR = {"type": ["string", "number", "boolean", "null"]}
SERVICE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["image"],
    "properties": {
        "image": {"type": "string"},
        "build": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"context": {"type": "string"}, "dockerfile": {"type": "string"}},
        },
        "restart": {"enum": ["no", "always", "on-failure", "unless-stopped"]},
        "read_only": {"type": "boolean"},
        "tmpfs": TEXTS,
        "cap_drop": TEXTS,
        "security_opt": TEXTS,
        "environment": {"type": "object", "additionalProperties": SCALAR},
        "command": {"anyOf": [{"type": "string"}, TEXTS]},
        "profiles": TEXTS,
        "ports": TEXTS,
        "expose": TEXTS,
        "volumes": TEXTS,
        "shm_size": {"type": ["string", "number"]},
        "stop_grace_period": {"type": "string", "pattern": r"^[0-9]+s$"},
        "depends_on": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["condition"],
                "properties": {
                    "condition": {"enum": ["service_started", "service_healthy", "service_completed_successfully"]}
                },
            },
        },
        "healthcheck": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "disable": {"type": "boolean"},
                "test": {"anyOf": [{"type": "string"}, TEXTS]},
                "interval": {"type": "string"},
                "timeout": {"type": "string"},
                "start_period": {"type": "string"},
                "retries": {"type": "number"},
            },
        },
    },
}
# The part of the Compose specification's schema that the file uses; anything else is a misspelling.
COMPOSE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["services"],
    "patternProperties": {"^x-": {}},
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$"},
        "services": {"type": "object", "patternProperties": {"^[a-zA-Z0-9._-]+$": SERVICE}},
        "volumes": {"type": "object", "additionalProperties": {"type": ["object", "null"]}},
    },
}


class TemplateLoader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as what they stand for."""


def _short_form(loader: yaml.SafeLoader, name: str, node: Any) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}


TemplateLoader.add_multi_constructor("!", _short_form)


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    template = yaml.load((DEPLOY / "template.yaml").read_text(), TemplateLoader)  # noqa: S506  # a safe loader's child
    found: dict[str, Any] = template["Resources"]
    return found


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def the_only(resources: dict[str, Any], kind: str) -> dict[str, Any]:
    (found,) = [resource["Properties"] for resource in resources.values() if resource["Type"] == kind]
    return dict(found)


class TestTheTemplate:
    def test_runs_our_handler_on_the_python_the_package_is_built_for(self, resources: dict[str, Any]) -> None:
        function = the_only(resources, "AWS::Serverless::Function")

        assert (function["Handler"], function["Runtime"]) == (HANDLER, f"python{PYTHON}")

    def test_hides_a_bell_six_times_as_long_as_an_answer_may_take(self, resources: dict[str, Any]) -> None:
        timeout = the_only(resources, "AWS::Serverless::Function")["Timeout"]

        assert resources["Doorbells"]["Properties"]["VisibilityTimeout"] >= 6 * timeout

    def test_puts_bells_aside_only_after_many_attempts(self, resources: dict[str, Any]) -> None:
        policy = resources["Doorbells"]["Properties"]["RedrivePolicy"]

        assert policy["deadLetterTargetArn"] == {"GetAtt": "DeadLetters.Arn"}
        assert policy["maxReceiveCount"] >= 5

    def test_reports_single_messages_and_bounds_its_concurrency(self, resources: dict[str, Any]) -> None:
        (mapping,) = [event["Properties"] for event in resources["CatchUp"]["Properties"]["Events"].values()]

        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert "MaximumConcurrency" in mapping["ScalingConfig"]
        assert "ReservedConcurrentExecutions" not in resources["CatchUp"]["Properties"]

    def test_raises_an_alarm_for_dead_letters_old_bells_and_errors(self, resources: dict[str, Any]) -> None:
        alarms = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::CloudWatch::Alarm"]

        assert {alarm["MetricName"] for alarm in alarms} >= {
            "ApproximateNumberOfMessagesVisible",
            "ApproximateAgeOfOldestMessage",
            "Errors",
        }


class TestTheComposeFile:
    def test_has_the_form_of_a_compose_file(self, compose: dict[str, Any]) -> None:
        Draft202012Validator(COMPOSE).validate(compose)

    def test_is_told_from_one_with_a_misspelling(self, compose: dict[str, Any]) -> None:
        api = {**compose["services"]["api"], "depend_on": {}}

        with pytest.raises(ValidationError):
            Draft202012Validator(COMPOSE).validate({**compose, "services": {**compose["services"], "api": api}})

    def test_waits_only_for_services_there_are(self, compose: dict[str, Any]) -> None:
        services = compose["services"]

        assert {name for service in services.values() for name in service.get("depends_on", {})} <= set(services)

    def test_runs_our_processes_without_rights_and_without_a_folder_to_write_to(self, compose: dict[str, Any]) -> None:
        ours = [service for service in compose["services"].values() if service["image"] == "factfold"]

        assert len(ours) == 5
        assert all(service["read_only"] and service["cap_drop"] == ["ALL"] for service in ours)

    def test_shows_the_api_on_loopback_only(self, compose: dict[str, Any]) -> None:
        ports = [port for service in compose["services"].values() for port in service.get("ports", ())]

        assert ports
        assert all(port.startswith("127.0.0.1:") for port in ports)

    @pytest.mark.parametrize("doorbell", ["celery", "celery-sqs", "sqs"])
    def test_gives_every_process_an_environment_it_can_start_with(self, compose: dict[str, Any], doorbell: str) -> None:
        given = {"FACTFOLD_DOORBELL": doorbell, "FACTFOLD_SQS_QUEUE_URL": "https://sqs/queue"}
        read = [
            read_settings(filled_in(service["environment"], given))
            for service in compose["services"].values()
            if service["image"] == "factfold"
        ]

        assert [settings.doorbell for settings in read] == [doorbell] * 5

    def test_passes_on_what_its_page_lists_and_whole_credentials(self, compose: dict[str, Any]) -> None:
        table = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
        listed = {name for cell in table for name in re.findall(r"`([A-Z_]+)`", cell)}

        passed = compose["services"]["worker"]["environment"].keys()

        assert listed - passed == set()
        assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} <= passed

    def test_names_programs_there_are(self, compose: dict[str, Any]) -> None:
        commands = [service.get("command") or [] for service in compose["services"].values()]
        managed = {command[2] for command in commands if command[:2] == ["python", "manage.py"]}

        own = {path.stem for path in ROOT.glob("*/management/commands/*.py")} | {"migrate"}
        assert managed == {"migrate", "worker", "poller"}
        assert managed <= own


def filled_in(environment: dict[str, Any], given: dict[str, str]) -> dict[str, str]:
    """An environment as compose makes it of its variables."""

    def value(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        return given.get(name, default if default is not None else "a-secret-of-some-length")

    pattern = re.compile(r"\$\{(?P<name>[A-Z_]+)(?::-(?P<default>[^}]*)|:\?[^}]*)\}")
    return {name: pattern.sub(value, str(text)) for name, text in environment.items()}


class TestTheImage:
    def test_runs_without_rights_on_the_python_of_the_project(self) -> None:
        text = (DEPLOY / "Dockerfile").read_text()
        stages = re.findall(r"^FROM (\S+)", text, re.MULTILINE)

        assert len(stages) == 2
        assert all(stage.startswith(f"python:{PYTHON}") for stage in stages)
        assert re.search(r"^USER 10001$", text, re.MULTILINE)
        assert "--require-hashes" in text

    def test_holds_every_package_of_ours(self) -> None:
        copied = set(re.findall(r"^COPY (\S+) /app/", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE))
        sent = set(re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
        packages = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"])

        assert packages <= copied <= sent

    def test_holds_every_package_that_is_imported(self) -> None:
        pinned = set(re.findall(r"^([a-z0-9._-]+)==", (DEPLOY / "image.lock").read_text(), re.MULTILINE))
        known = packages_distributions()
        missing = {
            f"{name} ({path})"
            for path, name in imported()
            if name in known and not {_normal(one) for one in known[name]} & pinned
        }

        assert missing == set()

    def test_and_the_function_have_the_versions_that_are_tested(self) -> None:
        assert deployed_lock_findings() == ""


def imported() -> Iterator[tuple[str, str]]:
    """Modules from elsewhere that our packages import, with the file that does."""
    for package in ("access", "commands", "config", "mcp_tools", "projections", "queries"):
        for path in (ROOT / package).rglob("*.py"):
            name = str(path.relative_to(ROOT))
            if name in DEVELOPMENT_ONLY or name.startswith("config/embedded/"):
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                modules = [one.name for one in node.names] if isinstance(node, ast.Import) else []
                modules += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
                yield from (
                    (name, module.partition(".")[0])
                    for module in modules
                    if module.partition(".")[0] not in sys.stdlib_module_names
                )


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
