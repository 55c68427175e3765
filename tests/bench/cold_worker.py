"""A child that gives one function its first event, and says what it had imported by then, in order.

Imports nothing itself that the function would have to.
"""

import json
import sys
from typing import Any


class Context:
    """What a handler asks of Lambda."""

    aws_request_id = "bench"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


def main(name: str, event: str) -> None:
    before = set(sys.modules)
    handler = __import__(f"functions.aws.{name}", fromlist=["handler"]).handler
    answer = handler(_event(name, event), Context())
    if name == "api":
        assert answer["statusCode"] < 500, answer
    elif name != "sweep":
        assert not answer["batchItemFailures"], "the reason is in the log above"
    print(json.dumps([name for name, module in sys.modules.items() if name not in before and _real(module)]))


def _event(name: str, text: str) -> Any:
    if name in ("sweep", "api"):
        return json.loads(text)
    attributes = {"ApproximateReceiveCount": "1"}
    message = {"messageId": "bench", "receiptHandle": "bench", "body": text, "attributes": attributes}
    return {"Records": [message | {"eventSource": "aws:sqs"}]}


def _real(module: Any) -> bool:
    """Whether there is a file or built-in code behind a name; some libraries make modules of nothing."""
    spec = getattr(module, "__spec__", None)
    return spec is not None and spec.origin is not None


if __name__ == "__main__":
    main(sys.argv[1], sys.stdin.read())
