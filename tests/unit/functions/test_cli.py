"""The operator's command: what it adds, shows and sends round again; what it must never print."""

import io
import json

import pytest

from functions import cli
from shared.domain.errors import StoreUnavailable
from shared.domain.integration import credentials_context
from shared.domain.provider import SYSTEM
from shared.runtime.letters import Letters
from shared.runtime.queues import encode
from shared.usecases.provision import Provisioning
from tests.model.bucket import EPOCH
from tests.unit.functions.stand import Stand, sample
from tests.unit.functions.test_replicate import job
from tests.unit.usecases.fakes import Town

SECRET = "canary-secret"


@pytest.fixture
def world(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> Town:
    town = Town()
    made = Provisioning(town.tenants, town.rules, town.integrations, town.audit, town.vault, town.clock)
    stand.host.__dict__ |= {"provisioning": made, "ledger": stand.world.ledger}
    monkeypatch.setattr(cli, "settings_from", lambda environment: None)
    monkeypatch.setattr(cli, "Container", lambda settings: stand.host)
    return town


def said(capsys) -> object:
    return json.loads(capsys.readouterr().out)


def run(*arguments: str, stdin: str = "") -> int:
    return cli.main(arguments, stdin=io.StringIO(stdin))


def test_a_tenant_its_integration_and_its_rule(world, capsys, tmp_path):
    secrets = tmp_path / "secrets.json"
    secrets.write_text(json.dumps({"accessKeyId": "A", "secretAccessKey": SECRET}))
    assert run("--actor", "ann", "tenant", "add", "acme", "--bucket", "primary", "--prefix", "acme/") == 0
    how = ["--connector", "s3", "--auth", "access_key", "--container", "backup", "--setting", "region=eu-west-1"]
    assert run("integration", "add", "acme", "s3-eu", *how, "--credentials", str(secrets)) == 0
    assert (
        run("rule", "add", "acme", "all", "--target", "backup", "--integration", "s3-eu", "--on-delete", "delete") == 0
    )
    rule = world.rules.get("acme", "all")
    assert (rule.target.name, rule.on_delete, rule.target.path) == ("backup", "delete", "{key}")
    assert world.integrations.get("acme", "s3-eu").settings == {"region": "eu-west-1"}
    entries = world.audit.events(SYSTEM) + world.audit.events("acme")
    assert [event.actor.subject for event in entries] == ["ann", "operator", "operator"]
    assert SECRET not in capsys.readouterr().out


def test_credentials_may_come_from_standard_input(world, capsys):
    run("tenant", "add", "acme", "--bucket", "primary")
    how = ["--connector", "azure_blob", "--auth", "connection_string", "--container", "backup", "--credentials", "-"]
    assert run("integration", "add", "acme", "az", *how, stdin=json.dumps({"connectionString": SECRET})) == 0
    sealed = world.integrations.get("acme", "az").credentials
    opened = world.vault.open(sealed, credentials_context("acme", "az", sealed.sequence))
    assert json.loads(opened.reveal())["connectionString"] == SECRET


@pytest.mark.parametrize("given", ["", "canary-secret", '["canary-secret"]', '{"connectionString": 7}'])
def test_credentials_that_are_none_are_refused_and_not_repeated(world, capsys, given):
    run("tenant", "add", "acme", "--bucket", "primary")
    how = ["--connector", "azure_blob", "--auth", "connection_string", "--container", "backup", "--credentials", "-"]
    assert run("integration", "add", "acme", "az", *how, stdin=given) == 1
    told = capsys.readouterr()
    assert told.err.startswith("invalid_input: ")
    assert SECRET not in told.err + told.out


def test_a_file_that_is_not_there_is_said_so(world, capsys, tmp_path):
    how = ["--connector", "s3", "--auth", "access_key", "--container", "backup", "--credentials", str(tmp_path / "no")]
    assert run("integration", "add", "acme", "x", *how) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_no_secret_can_be_given_as_an_argument(capsys):
    parser = cli._parser()
    parser.parse_args(["integration", "add", "t", "i", "--connector", "s3", "--auth", "a", "--container", "c"])
    for option in ("--secret", "--secretAccessKey", "--connection-string", "--password"):
        with pytest.raises(SystemExit):
            parser.parse_args(["integration", "add", "t", "i", option, "x"])
    with pytest.raises(SystemExit):
        parser.parse_args(["integration", "add", "t", "i", "--setting", "no-equals-sign"])


def test_what_cannot_be_done_is_one_sentence_and_a_status(world, capsys):
    assert run("rule", "add", "nobody", "r", "--target", "t", "--integration", "i") == 1
    assert capsys.readouterr().err == "not_found: there is no such tenant\n"


def test_replicas_are_shown_as_json(world, stand, capsys):
    stand.world.rule("backup")
    stand.world.put("acme/x", bucket="primary-example")
    stand.world.replicate(job())
    assert run("replicas", "acme", "--status", "replicated", "--target", "backup", "--prefix", "acme/") == 0
    page = said(capsys)
    (row,) = page["items"]
    assert (row["source_key"], row["status"], page["after"]) == ("acme/x", "replicated", None)
    assert row["updated_at"] == str(EPOCH) or row["updated_at"]


def test_the_sweep_takes_a_step(world, stand, capsys):
    stand.world.rule("backup")
    stand.world.put("acme/forgotten", bucket="primary-example")
    assert run("sweep", "--seconds", "20") == 0
    assert said(capsys) == {"looked": 1, "queued": 1, "finished": True}


def test_the_dead_go_round_again_in_their_tenants_group(world, stand, capsys):
    stand.host.job_letters.bury(encode(job()), StoreUnavailable(), group="acme", attempts=5)
    stand.host.job_letters.bury("poison", StoreUnavailable())
    assert run("redrive") == 0
    assert said(capsys) == {"redriven": 2}
    assert [(stored.body, stored.group) for stored in stand.sqs.queues["jobs"]] == [
        (encode(job()), "acme"),
        ("poison", None),
    ]


def test_buried_events_go_round_again_too(world, stand, capsys):
    body = json.dumps(sample("s3-eventbridge-created.json"))
    assert isinstance(stand.host.event_letters, Letters)
    stand.host.event_letters.bury(body, StoreUnavailable())
    assert run("redrive", "--queue", "events", "--limit", "5") == 0
    assert stand.sqs.bodies("events") == [body]


def test_a_missing_setting_is_named(monkeypatch, capsys):
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.delenv("FARSHORE_JOBS_QUEUE_URL", raising=False)
    assert run("redrive") == 1
    assert "FARSHORE_JOBS_QUEUE_URL" in capsys.readouterr().err


def test_what_needs_no_settings_asks_for_none(monkeypatch, capsys, tmp_path):
    monkeypatch.delenv("AWS_REGION", raising=False)
    empty = tmp_path / "trail.ndjson"
    empty.write_text("")
    assert run("audit", "verify", str(empty)) == 0
    assert said(capsys)["entries"] == 0


def test_ctrl_c_ends_a_command_without_a_stack_of_frames(monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "Container", interrupted)
    monkeypatch.setattr(cli, "settings_from", lambda environment: None)
    assert run("replicas", "acme") == 130
    assert capsys.readouterr().err == "Stopped.\n"
