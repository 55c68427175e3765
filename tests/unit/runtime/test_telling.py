"""What is told: logs without secrets, metrics by their dimensions, traces only where asked for."""

import io
import json
import logging
import sys

import pytest

from shared.domain.errors import StoreUnavailable
from shared.runtime.logs import LOUD, cause, logger, quiet_libraries
from shared.runtime.metrics import EmfMetrics
from shared.runtime.tracing import Tracing


def raised(error: Exception) -> Exception:
    try:
        raise error
    except type(error) as caught:
        return caught


def test_a_library_that_talks_is_pinned_with_all_its_children():
    child = logging.getLogger("botocore.endpoint.canary")
    child.setLevel(logging.DEBUG)
    quiet_libraries()
    assert not any(logging.getLogger(name).isEnabledFor(logging.INFO) for name in LOUD)
    assert not child.isEnabledFor(logging.INFO)
    assert not logging.getLogger("urllib3.connection").isEnabledFor(logging.WARNING), (
        "its warnings quote answers and URLs"
    )


def test_a_log_line_is_one_json_object(capsys):
    log = logger("telling-json", "INFO")
    log.info("hello", extra_field=1)
    log.debug("not told")
    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (line["message"], line["service"], line["level"], line["extra_field"]) == (
        "hello",
        "telling-json",
        "INFO",
        1,
    )


def test_a_cause_tells_ours_in_full_and_of_others_only_their_kind():
    ours, others = cause(raised(StoreUnavailable("down"))), cause(raised(ValueError("canary-secret")))
    assert (ours["code"], ours["reason"], ours["error"]) == ("store_unavailable", "down", "StoreUnavailable")
    assert others["error"] == "ValueError"
    assert "canary-secret" not in json.dumps(others)
    assert any("test_telling.py" in place for place in others["where"])


def test_measurements_come_out_once_and_by_their_dimensions(capsys):
    metrics = EmfMetrics("telling")
    metrics.count("Replicated", target="a")
    metrics.count("Replicated", target="a")
    metrics.count("Lag", 1.5, "Seconds", target="b")
    metrics.flush()
    metrics.flush()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {(line["target"], tuple(line.get("Replicated", ())), tuple(line.get("Lag", ()))) for line in lines} == {
        ("a", (1.0, 1.0), ()),
        ("b", (), (1.5,)),
    }
    assert all(line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Farshore" for line in lines)
    assert all(line["service"] == "telling" for line in lines)


def test_more_than_a_hundred_values_are_all_told(capsys):
    metrics = EmfMetrics("telling")
    for _ in range(250):
        metrics.count("Replicated", target="a")
    metrics.flush()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sum(sum(line["Replicated"]) for line in lines) == 250
    assert all(line["target"] == "a" for line in lines)


def test_tracing_that_is_off_costs_no_import(monkeypatch):
    monkeypatch.setitem(sys.modules, "aws_xray_sdk", None)
    with Tracing("telling", on=False).span("x"):
        pass


def test_tracing_that_is_on_names_a_span_and_patches_no_http_client(monkeypatch):
    monkeypatch.setenv("POWERTOOLS_TRACE_DISABLED", "true")  # no daemon here: the spans go nowhere
    import http.client

    before = http.client.HTTPConnection.request
    with Tracing("telling", on=True).span("x"):
        pass
    assert http.client.HTTPConnection.request is before


def test_an_error_in_a_span_is_still_that_error(monkeypatch):
    monkeypatch.setenv("POWERTOOLS_TRACE_DISABLED", "true")
    error = ValueError("the very one")
    with pytest.raises(ValueError, match="the very one") as caught, Tracing("telling", on=True).span("x"):
        raise error
    assert caught.value is error


@pytest.fixture(autouse=True)
def _no_leftovers():
    yield
    logging.getLogger("botocore.endpoint.canary").setLevel(logging.NOTSET)
    assert isinstance(sys.stdout, io.TextIOBase)
