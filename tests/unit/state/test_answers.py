"""What DynamoDB may answer, and what becomes of it."""

from concurrent.futures import ThreadPoolExecutor
from traceback import format_exception

import pytest
from botocore.exceptions import ClientError
from pynamodb.exceptions import CancellationReason, PutError, TransactWriteError, UpdateError, VerboseClientError

from shared.domain.errors import StateUnavailable
from shared.state.answers import ConditionLost, asked
from shared.state.cache import Cache
from shared.state.models import MODELS
from shared.state.tables import Tables, bound


def refused(code: str, *reasons: str, error=UpdateError):
    cause = VerboseClientError(
        {"Error": {"Code": code, "Message": "quotes item"}},
        "op",
        {},
        cancellation_reasons=[CancellationReason(reason) if reason else None for reason in reasons],
    )
    return error("quotes item", cause)


class Answers:
    """Refuses as told, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.pauses: list[float] = []

    def __call__(self) -> str:
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


CONFLICTS = [
    refused("TransactionConflictException"),
    refused("TransactionInProgressException"),
    refused("TransactionCanceledException", "", "TransactionConflict", error=TransactWriteError),
]


@pytest.mark.parametrize("conflict", CONFLICTS)
def test_a_transaction_in_the_way_is_waited_for_a_moment(conflict):
    call = Answers(conflict, conflict)
    assert asked(call, call.pauses.append) == "answer"
    assert call.pauses == [0.01, 0.02]


@pytest.mark.parametrize("refusal", [refused("ValidationException"), refused("InternalServerError"), *CONFLICTS])
def test_what_the_store_said_is_in_no_part_of_our_error(refusal):
    with pytest.raises(StateUnavailable) as caught:
        asked(Answers(*[refusal] * 10), lambda _: None)
    assert "quotes item" not in "".join(format_exception(caught.value))


@pytest.mark.parametrize("conflict", CONFLICTS)
def test_a_transaction_that_stays_in_the_way_is_unavailability(conflict):
    call = Answers(*[conflict] * 10)
    with pytest.raises(StateUnavailable):
        asked(call, call.pauses.append)
    assert sum(call.pauses) < 1


@pytest.mark.parametrize(
    "lost",
    [
        refused("ConditionalCheckFailedException"),
        refused("TransactionCanceledException", "ConditionalCheckFailed", "", error=TransactWriteError),
        refused(
            "TransactionCanceledException", "TransactionConflict", "ConditionalCheckFailed", error=TransactWriteError
        ),
    ],
)
def test_a_lost_condition_is_told_apart(lost):
    with pytest.raises(ConditionLost):
        asked(Answers(lost))


@pytest.mark.parametrize(
    "error",
    [
        refused("ProvisionedThroughputExceededException"),
        refused("ThrottlingException"),
        refused("InternalServerError"),
        refused("ResourceNotFoundException", error=PutError),
        refused("AccessDeniedException"),
        refused("TransactionCanceledException", "ThrottlingError", error=TransactWriteError),
        PutError("network", ClientError({}, "op")),
    ],
)
def test_everything_else_is_unavailability_in_our_own_words(error):
    with pytest.raises(StateUnavailable) as caught:
        asked(Answers(error))
    assert "quotes item" not in str(caught.value)


def test_all_models_and_threads_share_one_client_and_none_is_made_before_a_call(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    tables = Tables("shared", "us-east-1", "http://127.0.0.1:9")
    connections = {bound(model, tables)._get_connection().connection for model in MODELS}
    (connection,) = connections
    assert connection._client is None
    with ThreadPoolExecutor(8) as pool:
        clients = set(pool.map(lambda _: connection.client, range(8)))
    assert len(clients) == 1


def test_the_cache_forgets_by_age_number_and_word():
    now = [0.0]
    cache: Cache[int, str] = Cache(seconds=30, entries=2, clock=lambda: now[0])
    assert cache.get(1) is None
    assert cache.put(1, "one") == "one"
    now[0] = 29.9
    assert cache.get(1) == "one"
    now[0] = 30.0
    assert cache.get(1) is None
    for number in (1, 2, 3):
        cache.put(number, str(number))
    assert [cache.get(number) for number in (1, 2, 3)] == [None, "2", "3"]
    cache.forget(2)
    assert cache.get(2) is None
    cache.put(3, "")
    assert cache.get(3) is None
