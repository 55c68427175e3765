"""Lambda behind the jobs queue: makes one object right on one target, and decides what becomes of a job that failed."""

from collections.abc import Mapping
from typing import Any

from functions.aws.batch import ComesBack, Message, settle
from functions.aws.invocation import invocation
from shared.domain.errors import DeadlineExceeded, FarshoreError, MalformedEvent
from shared.domain.event import Job
from shared.domain.retry import AfterUser, Later, Never, Retry
from shared.ports.world import Deadline
from shared.runtime.container import Container, container
from shared.runtime.logs import cause
from shared.runtime.queues import decode
from shared.runtime.world import LambdaDeadline
from shared.usecases import replicate as usecase


def handler(event: Mapping[str, Any], context: Any) -> Mapping[str, Any]:
    """A batch of jobs; answers with those that come back later."""
    host = container()
    deadline = LambdaDeadline(context.get_remaining_time_in_millis)
    with invocation(host, context, "replicate"):
        answer = settle(event, lambda message: _work(message, host, deadline), threads=host.settings.threads)
        host.stores.tidy()
        return answer


def _work(message: Message, host: Container, deadline: Deadline) -> None:
    try:
        job = decode(message.body)
    except MalformedEvent as refusal:
        host.logger.warning("job refused", message_id=message.id, **cause(refusal))
        host.job_letters.bury(message.body, refusal, group=message.group, attempts=message.receives)
        return
    error = _attempt(job, message, host, deadline)
    if error is not None and not _closed(job, message, error, host):
        raise ComesBack


def _attempt(job: Job, message: Message, host: Container, deadline: Deadline) -> Exception | None:
    """Replicates; returns what went wrong, if anything did."""
    if message.receives > host.settings.job_attempts:
        return DeadlineExceeded("earlier attempts ended without an answer: the worker was stopped each time")
    try:
        with host.tracing.span("job"):
            usecase.replicate(job, host.replicating, deadline)
    except Exception as error:
        return error
    return None


def _closed(job: Job, message: Message, error: Exception, host: Container) -> bool:
    """Tells the ledger, then buries the job if this was its last attempt (True), or sets its delay (False)."""
    verdict = _verdict(error)
    final = isinstance(verdict, Never | AfterUser) or message.receives >= host.settings.job_attempts
    told = {"tenant": job.tenant_id, "rule": job.rule_id, "target": job.target, "final": final, **cause(error)}
    host.logger.warning("job failed", message_id=message.id, receives=message.receives, **told)
    try:
        usecase.failed(job, error, message.receives, final, host.replicating)
        if final:
            known = error if isinstance(error, FarshoreError) else FarshoreError("an unexpected error")
            host.job_letters.bury(message.body, known, group=job.tenant_id, attempts=message.receives)
            return True
        delay = host.backoff.delay(verdict, message.receives, host.randomness.fraction())
        host.job_letters.postpone(message.receipt, delay)
    except FarshoreError as trouble:
        # Neither acknowledged nor delayed: it comes back at the end of its visibility, and by redrive at the very last.
        host.logger.warning("failure not told", message_id=message.id, **cause(trouble))
    return False


def _verdict(error: Exception) -> Retry:
    """Ours say what may be done; an unexpected error may be a passing one, so it is tried until the attempts run out."""
    return error.retry if isinstance(error, FarshoreError) else Later()
