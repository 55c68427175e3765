"""What the local stack's parts promise each on its own: nothing outlives its starter, and nobody else is ever signalled."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import boto3
import jwt
import psutil
import pytest
from botocore.exceptions import ClientError

from infra.local import issuer, servers
from infra.local.__main__ import main
from infra.local.emulators import ROOT, azurite, ministack
from infra.local.home import PORT_NAMES, Home, StackError, claim_ports
from infra.local.processes import StartFailed, free_port, run, server
from shared.crypto.kms import KmsKeys
from shared.domain.errors import SealBroken
from tests.hosts.stack import eventually

# A server with a child of its own, as MiniStack has.
SLEEPER = """
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open("up", "w").write(str(os.getpid()))
time.sleep(60)
"""


def test_servers_end_with_their_starter_even_if_it_is_killed(tmp_path: Path) -> None:
    starter = f"""
import sys, time
from pathlib import Path
from infra.local.processes import server
folder = Path({str(tmp_path)!r})
with server("sleeper", [sys.executable, "-c", {SLEEPER!r}], environment={{}}, folder=folder, ready=(folder / "up").exists):
    (folder / "started").touch()
    time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", starter], env={**os.environ, "PYTHONPATH": str(ROOT)})
    eventually((tmp_path / "started").exists, "the server is up")
    leader = psutil.Process(int((tmp_path / "up").read_text()))
    family = [leader, *leader.children()]
    assert len(family) == 2
    process.kill()
    process.wait()
    eventually(lambda: not any(_alive(one) for one in family), "the server and its child are gone", patience=15)


def test_a_server_that_never_starts_says_why(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such thing')"]
    with (
        pytest.raises(StartFailed, match="no such thing"),
        server("x", command, environment={}, folder=tmp_path, ready=lambda: False),
    ):
        pass


def test_a_program_that_fails_says_why(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('wrong')"]
    with pytest.raises(StartFailed, match="wrong"):
        run("x", command, environment=dict(os.environ), folder=tmp_path, log=tmp_path / "x.log")


def test_the_emulators_keep_what_was_stored_and_stop_at_once(tmp_path: Path) -> None:
    ports = free_port(), free_port()
    for turn in range(2):
        with ministack(auth=True, state_dir=tmp_path / "aws", port=ports[0], secret_access_key="only ours") as aws:
            assert aws.endpoint == f"http://127.0.0.1:{ports[0]}"
            assert "only ours" not in repr(aws)
            s3 = _s3(aws.endpoint, aws.access_key_id)
            assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["kept"] * turn
            if turn == 0:
                s3.create_bucket(Bucket="kept")
            with pytest.raises(ClientError, match="InvalidAccessKeyId"):
                _s3(aws.endpoint, "AKIASTRANGER").list_buckets()
        assert not psutil.pid_exists(aws.pid)
    with azurite(port=ports[1]) as azure:
        assert str(ports[1]) in azure.connection_string
        assert azure.connection_string not in repr(azure)
    assert not psutil.pid_exists(azure.pid)


def test_data_keys_are_wrapped_anew_under_another_key_here_too(tmp_path: Path) -> None:
    context = {"farshore:tenant": "acme"}
    with ministack(auth=True, state_dir=tmp_path, secret_access_key="only ours") as aws:
        kms = _client("kms", aws.endpoint, aws.access_key_id)
        old, new = (kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2))
        plain, wrapped = KmsKeys(lambda: kms, old).data_key(context)
        ring = KmsKeys(lambda: kms, new, [old])
        anew = ring.rewrap(wrapped, context)
        assert anew != wrapped
        assert ring.rewrap(anew, context) == anew
        assert KmsKeys(lambda: kms, new).unwrap(anew, context) == plain
        with pytest.raises(SealBroken):
            ring.rewrap(wrapped, {"farshore:tenant": "other"})


def test_help_tells_each_command_in_plain_words(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    assert "consent %s" in told
    assert "{'" not in told


def test_ports_are_kept_and_a_taken_one_is_told(tmp_path: Path) -> None:
    home = Home(tmp_path)
    ports = claim_ports(home)
    assert claim_ports(home) == ports
    assert len(set(ports.values())) == len(ports)
    with socket.socket() as other:
        other.bind(("127.0.0.1", ports["aws"]))
        other.listen()
        with pytest.raises(StackError, match=rf"{ports['aws']} \(aws\).*make reset"):
            claim_ports(home)


def test_a_stack_of_an_earlier_version_keeps_its_ports_and_gets_the_new_ones(tmp_path: Path) -> None:
    home = Home(tmp_path)
    earlier = {name: claim_ports(home)[name] for name in ("aws", "blobs", "queues", "issuer")}
    home.write("ports.json", earlier)
    ports = claim_ports(home)
    assert ports.items() >= earlier.items()
    assert set(ports) == set(PORT_NAMES)
    assert len(set(ports.values())) == len(ports)


def test_a_recycled_process_id_is_never_signalled(tmp_path: Path) -> None:
    home = Home(tmp_path)
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        started = psutil.Process(bystander.pid).create_time()
        home.write(servers.RUNNING, {"pid": bystander.pid, "started": started - 100})
        assert servers.running(home) is None
        assert servers.stop(home) is False
        assert bystander.poll() is None
    finally:
        bystander.send_signal(signal.SIGKILL)
        bystander.wait()


def test_what_tells_secrets_is_for_its_owner_only(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    assert home.secret() == home.secret()
    issuer.signing_key(home.folder / "issuer.pem")
    for file in ("account.json", "issuer.pem"):
        assert (home.folder / file).stat().st_mode & 0o077 == 0


def test_the_issuers_tokens_verify_against_what_it_publishes(tmp_path: Path) -> None:
    key = issuer.signing_key(tmp_path / "issuer.pem")
    with issuer.serving(key, free_port()) as url:
        told = json.load(urllib.request.urlopen(f"{url}/.well-known/openid-configuration"))
        assert told["issuer"] == url
        token = issuer.mint(issuer.signing_key(tmp_path / "issuer.pem"), url, "somebody", {"farshore/role": "owner"})
        found = jwt.PyJWKClient(told["jwks_uri"]).get_signing_key_from_jwt(token)
        claims = jwt.decode(token, found.key, ["RS256"], audience=issuer.AUDIENCE, issuer=url)
        assert (claims["sub"], claims["farshore/role"]) == ("somebody", "owner")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{url}/keys")
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{url}/jwks.json")


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _s3(endpoint: str, access_key: str) -> Any:
    return _client("s3", endpoint, access_key)


def _client(service: Any, endpoint: str, access_key: str) -> Any:
    keys = {"aws_access_key_id": access_key, "aws_secret_access_key": "only ours"}
    return boto3.client(service, endpoint_url=endpoint, region_name="us-east-1", **keys)
