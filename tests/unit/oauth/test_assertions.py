"""Statements about who we are: for whom they are made, and who is shown one (attack 36)."""

import pytest

from shared.connectors.azure_identity import aws_assertion
from shared.domain.secret import Secret
from shared.oauth.servers import DIALECTS
from tests.unit.oauth.house import REQUEST, TOKENS, house

pytestmark = pytest.mark.attack(36)


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
@pytest.mark.parametrize("method", ["POST", "BASIC"])
def test_no_authorization_server_is_shown_a_statement_it_could_use_elsewhere(dialect, method):
    with house(dialect, (200, TOKENS), (200, TOKENS), token_method=method) as there:
        there.server.exchange(Secret("code"), REQUEST)
        there.server.refresh(Secret("old"), REQUEST.scopes)
    assert [form.keys() & {"client_assertion", "client_assertion_type", "assertion"} for form in there.forms] == [
        set(),
        set(),
    ]


class Sts:
    """Signs nothing; notes for whom a statement was asked for."""

    def __init__(self):
        self.audiences = []

    def get_web_identity_token(self, **options):
        self.audiences.append(options["Audience"])
        return {"WebIdentityToken": "signed"}


def test_the_one_statement_we_make_is_for_one_audience_that_nobody_can_choose():
    sts = Sts()
    assert aws_assertion(sts)() == "signed"
    assert sts.audiences == [["api://AzureADTokenExchange"]]
