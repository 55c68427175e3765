"""The cursors' key, and a deployment in which nobody signs in."""

import pytest

from shared.domain.errors import Misconfigured, StateUnavailable, Unauthenticated
from shared.runtime.container import Container
from shared.runtime.settings import Settings
from shared.runtime.sign_in import CursorKeys, NobodySignsIn
from tests.unit.runtime.fake_sqs import refusal


class Secrets:
    def __init__(self, *answers) -> None:
        self.answers = list(answers)
        self.asked = 0

    def get_secret_value(self, *, SecretId):  # noqa: N803 # boto3's name
        self.asked += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {"SecretString": answer}


def test_the_key_is_asked_for_once():
    secrets = Secrets("k" * 64)
    keys = CursorKeys(lambda: secrets, "id")
    assert keys() == keys() == (b"k" * 64,)
    assert secrets.asked == 1


def test_a_refusal_is_not_remembered():
    secrets = Secrets(refusal("InternalServiceError"), "k" * 64)
    keys = CursorKeys(lambda: secrets, "id")
    with pytest.raises(StateUnavailable):
        keys()
    assert keys() == (b"k" * 64,)


@pytest.mark.parametrize("answer", ["short-canary", refusal("ResourceNotFoundException")])
def test_what_only_the_operator_can_mend_is_said_so(answer):
    with pytest.raises(Misconfigured) as refused:
        CursorKeys(lambda: Secrets(answer), "id")()
    assert "canary" not in str(refused.value)


def test_without_an_issuer_every_token_is_a_strangers():
    assert isinstance(Container(Settings()).verifier, NobodySignsIn)
    with pytest.raises(Unauthenticated):
        NobodySignsIn().verify("token")
