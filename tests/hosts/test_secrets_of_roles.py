"""What template.yaml lets each role open and seal, asked of an emulator that enforces it: not what the text seems to say."""

import json
from collections.abc import Iterator

import boto3
import pytest

from infra.local.emulators import Emulator, ministack
from shared.crypto.kms import KmsKeys
from shared.crypto.vault import EnvelopeVault
from shared.domain.errors import Misconfigured
from shared.domain.secret import Secret
from tests.hosts.test_template import OPENS, PLACES, SEALS, statements

ROOT_SECRET = "root-of-this-test"


class Account:
    """An account with one key, and the template's roles as far as they speak of keys."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.root = self.client("kms", emulator.access_key_id, emulator.secret_access_key)
        self.key = self.root.create_key()["KeyMetadata"]["Arn"]

    def client(self, service: str, key_id: str, secret: str, token: str | None = None):
        return boto3.client(
            service,
            endpoint_url=self.emulator.endpoint,
            region_name=self.emulator.region,
            aws_access_key_id=key_id,
            aws_secret_access_key=secret,
            aws_session_token=token,
        )

    def vault_of(self, role: str) -> EnvelopeVault:
        """A vault by the rights of the template's role."""
        root = self.emulator.access_key_id, self.emulator.secret_access_key
        iam, sts = self.client("iam", *root), self.client("sts", *root)
        trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
        arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=policy(trust))["Role"]["Arn"]
        ours = [
            {**it, "Resource": self.key} for it in statements(role) if "SecretsKeyArn" in json.dumps(it["Resource"])
        ]
        if ours:
            iam.put_role_policy(RoleName=role, PolicyName="keys", PolicyDocument=policy(*ours))
        given = sts.assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        kms = self.client("kms", given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
        return EnvelopeVault(lambda: KmsKeys(lambda: kms, self.key))


def policy(*told: dict) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(told)})


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with ministack(auth=True, secret_access_key=ROOT_SECRET) as emulator:
        yield Account(emulator)


@pytest.mark.parametrize("role", OPENS)
def test_a_role_opens_and_seals_in_its_own_places_and_is_refused_in_all_others(account, role):
    sealed = EnvelopeVault(lambda: KmsKeys(lambda: account.root, account.key))
    vault = account.vault_of(role)
    opened, made = set(), set()
    for name, place in PLACES.items():
        box = sealed.seal(Secret("canary"), place)
        try:
            assert vault.open(box, place) == Secret("canary")
            opened.add(name)
        except Misconfigured:
            pass
        try:
            vault.seal(Secret("canary"), place)
            made.add(name)
        except Misconfigured:
            pass
    assert (opened, made) == (OPENS[role], SEALS[role])
