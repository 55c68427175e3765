"""Traces, where a deployment asks for them, tell what was called and how long it took, and nothing of what was said."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from infra.local.emulators import ROOT, Emulator
from tests.security.leaks_stage import Stage
from tests.security.leaks_trap import Trap

CANARY = "asked-canary-3c5e7a9b1d-and-more"
WORK = """
import sys
from shared.domain.seal import SealContext
from shared.domain.secret import Secret
from shared.runtime.container import container

host, place = container(), SealContext("acme", "webhooks", "whk_1", "secret", "sign")
with host.tracing.span("work"):
    sealed = host.vault.seal(Secret(sys.argv[1]), place)
    assert host.vault.open(sealed, place).reveal() == sys.argv[1]
    host.sqs.send_message(QueueUrl=sys.argv[2], MessageBody=sys.argv[1])
try:
    with host.tracing.span("broken"):
        raise ValueError(sys.argv[1]) from KeyError(sys.argv[1])
except ValueError:
    print("done")
"""


def test_traces_name_calls_and_say_nothing_of_what_was_said(leaks_emulator: Emulator, tmp_path: Path) -> None:
    aws = Stage(leaks_emulator, "traces").aws
    key = aws("kms").create_key()["KeyMetadata"]["KeyId"]
    queue = aws("sqs").create_queue(QueueName=f"traces-{os.getpid()}")["QueueUrl"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(0.2)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PYTHONPATH": str(ROOT),
            "AWS_ENDPOINT_URL": leaks_emulator.endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{daemon.getsockname()[1]}",
            "LAMBDA_TASK_ROOT": str(tmp_path),
            "_X_AMZN_TRACE_ID": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1",
            "FARSHORE_TRACING": "on",
            "FARSHORE_KEY_ID": key,
        }
        command = [sys.executable, "-c", WORK, CANARY, queue]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.stdout.endswith("done\n"), done
        trap = Trap({"it": CANARY}, [("trace", told) for told in _packets(daemon)])
    told = "".join(text for _, text in trap.said)
    assert all(name in told for name in ("## work", "## broken", '"fault": true', "GenerateDataKey")), told
    assert trap.leaks() == []


def _packets(daemon: socket.socket) -> list[str]:
    packets = []
    try:
        while True:
            packets.append(daemon.recv(65_536).decode())
    except TimeoutError:
        return packets
