"""The stack's AWS account, and what CloudFormation made in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import boto3


@dataclass(frozen=True, slots=True)
class Account:
    """How to sign in to the stack's AWS account."""

    endpoint: str
    region: str
    access_key_id: str
    secret_access_key: str

    def client(self, service: str) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]  # by name
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
        )

    def environment(self) -> dict[str, str]:
        """The same, as AWS's tools read it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
        }


def resources(account: Account, stack: str, kind: str) -> Sequence[str]:
    """Names (physical ids) of a stack's resources of one type."""
    pages = account.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
    found = [resource for page in pages for resource in page["StackResourceSummaries"]]
    return [resource["PhysicalResourceId"] for resource in found if resource["ResourceType"] == kind]
