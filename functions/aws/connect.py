"""Lambda behind API Gateway for the routes that open secrets or call providers: the same app as ``api``, with other rights.

Which routes come here is template.yaml's affair. Consents, refreshing on demand, trying out, disconnecting.
"""

from collections.abc import Mapping
from typing import Any

from functions.aws.api import answered


def handler(event: Mapping[str, Any], context: Any) -> Mapping[str, Any]:
    """One request, one answer; what goes wrong is a problem document, or a redirect that says so in a code."""
    return answered(event, context, "connect")
