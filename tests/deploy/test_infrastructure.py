"""The CloudFormation template: cfn-lint, and rights that are what the code calls, on what is ours."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml
from botocore import xform_name

from tests.deploy.manifests import K8S, ROOT
from tests.unit.test_layout import AWS

TEMPLATE = K8S / "infrastructure.yaml"
SERVICES = ("kinesis", "dynamodb", "ses", "secretsmanager")
NOTHING = {"Type": "nothing"}
NOT_GRANTED = {"dynamodb:CreateTable"}
"""The template makes the tables."""
WITHOUT_RESOURCE = {"ses:SendEmail", "ses:GetIdentityVerificationAttributes"}
"""Allowed on everything: SES limits the first by its sender, and the second knows no resources."""


class _Loader(yaml.SafeLoader):
    """Takes CloudFormation's !Sub, !Ref and the like for what they are applied to."""


def _applied_to(loader: _Loader, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    return loader.construct_sequence(node, deep=True)  # type: ignore[arg-type]


_Loader.add_multi_constructor("!", _applied_to)


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    template = yaml.load(TEMPLATE.read_text(), _Loader)
    return dict(template["Resources"])


def statements(resources: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for one in resources.values():
        if one["Type"] == "AWS::IAM::ManagedPolicy":
            yield from one["Properties"]["PolicyDocument"]["Statement"]


def called() -> set[str]:
    """What the service calls of AWS, as IAM names it."""
    code = "\n".join((ROOT / path).read_text() for path in AWS)
    session = botocore.session.get_session()
    return {
        f"{service}:{operation}"
        for service in SERVICES
        for operation in session.get_service_model(service).operation_names
        if re.search(rf"\.{xform_name(operation)}\b", code)
    }


def test_cfn_lint_finds_nothing() -> None:
    found = subprocess.run([Path(sys.executable).parent / "cfn-lint", TEMPLATE], capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "")


def test_the_pods_may_do_what_the_code_does_and_nothing_else(resources: dict[str, Any]) -> None:
    allowed = {action for one in statements({**resources, "LogPolicy": NOTHING}) for action in one["Action"]}
    assert allowed - {"kms:Decrypt"} == called() - NOT_GRANTED


def test_every_right_is_on_resources_of_ours(resources: dict[str, Any]) -> None:
    for one in statements(resources):
        named = [one["Resource"]] if isinstance(one["Resource"], str) else one["Resource"]
        everything = {action for action in one["Action"] if "*" in named}
        assert everything <= WITHOUT_RESOURCE
        assert all(name == "*" or "${" in name for name in named)
        assert not [action for action in one["Action"] if "*" in action]
        assert "Condition" in one or not {"ses:SendEmail", "kms:Decrypt"} & set(one["Action"])


@pytest.mark.parametrize("account", ["driver", "executor", "operator"])
def test_a_role_is_its_service_accounts_alone(resources: dict[str, Any], account: str) -> None:
    role = resources[f"{account.title()}Role"]["Properties"]
    (statement,) = json.loads(role["AssumeRolePolicyDocument"])["Statement"]
    assert statement["Condition"]["StringEquals"] == {
        "${OidcProvider}:aud": "sts.amazonaws.com",
        "${OidcProvider}:sub": f"system:serviceaccount:${{Namespace}}:{account}",
    }
    assert role["RoleName"] == f"bank-stream-{account}"


def test_executors_may_neither_touch_leases_nor_send_mails(resources: dict[str, Any]) -> None:
    assert resources["ExecutorRole"]["Properties"]["ManagedPolicyArns"] == ["WorkPolicy"]
    work = json.dumps(resources["WorkPolicy"])
    assert "LeaseTable" not in work
    assert "ses:" not in work


LEASES, LETTERS = "table/${LeaseTable}", "table/${LetterTable}"
READS_STREAM = {"kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards", "kinesis:DescribeStreamSummary"}
APPLIES = {*READS_STREAM, ("dynamodb:BatchGetItem", LETTERS), ("dynamodb:BatchWriteItem", LETTERS)}
NEEDED = {
    "executor": {*APPLIES, ("secretsmanager:GetSecretValue", "secret:${ServiceSecret}")},
    "driver": {
        *APPLIES,
        *((f"dynamodb:{call}Item", LEASES) for call in ("Get", "Put", "Update", "Delete")),
        *((f"dynamodb:{call}", table) for call in ("DescribeTable", "Scan") for table in (LEASES, LETTERS)),
        ("secretsmanager:GetSecretValue", "secret:${ServiceSecret}"),
        "ses:SendEmail",
        "ses:GetIdentityVerificationAttributes",
    },
    "operator": {
        *APPLIES,
        *((f"dynamodb:{call}", table) for call in ("DescribeTable", "Scan") for table in (LEASES, LETTERS)),
        ("dynamodb:GetItem", LETTERS),
        ("dynamodb:UpdateItem", LEASES),  # release, accept-loss
        ("secretsmanager:GetSecretValue", "secret:${OperatorSecret}"),
        ("secretsmanager:GetSecretValue", "secret:${MigrationSecret}"),
    },
}
"""What each role's code calls; with the table or the secret, where it matters which."""


@pytest.mark.parametrize("account", sorted(NEEDED))
def test_a_role_has_the_rights_of_its_own_work(resources: dict[str, Any], account: str) -> None:
    """The rights of all roles together may be right, and one of them still lack what another has."""
    allowed = [
        statement
        for name in resources[f"{account.title()}Role"]["Properties"]["ManagedPolicyArns"]
        for statement in statements({name: resources[name]})
    ]
    for needed in NEEDED[account]:
        action, place = (needed, "") if isinstance(needed, str) else needed
        assert [one for one in allowed if action in one["Action"] and place in json.dumps(one["Resource"])], needed


def test_logs_may_be_written_where_fargate_writes_them(resources: dict[str, Any]) -> None:
    (_, config) = yaml.safe_load_all((K8S / "logging" / "logging.yaml").read_text())
    said = dict(line.split() for line in config["data"]["output.conf"].splitlines()[1:])
    (statement,) = resources["LogPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert all(f":log-group:{said['log_group_name']}" in resource for resource in statement["Resource"])
    assert said["region"] == yaml.safe_load((K8S / "cluster.yaml").read_text())["metadata"]["region"]
