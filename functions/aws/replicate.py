"""Lambda behind the jobs queue: makes one object right on one target, and decides what becomes of a job that failed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functions.aws.batch import ComesBack, Message, settle
from functions.aws.heartbeat import Heartbeat
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

_OVERLOOKED = 3
"""SQS leaves what was received more often out of the age of its oldest message, so that alarm misses what fails again and
again (SQS developer guide, "Available CloudWatch metrics"). A metric of ours stands in."""


def handler(event: Mapping[str, Any], context: Any) -> Mapping[str, Any]:
    """A batch of jobs; answers with those that come back later."""
    host = container()
    deadline = LambdaDeadline(context.get_remaining_time_in_millis)
    receipts = [record["receiptHandle"] for record in event["Records"]]
    with invocation(host, context, "replicate"):
        with Heartbeat(host.job_letters, receipts, host.settings.job_heartbeat_seconds) as beat:
            desk = Desk(host, deadline, beat)
            answer = settle(event, desk.work, threads=host.settings.threads, lane=_target)
        host.stores.tidy()
        return answer


def _target(body: str) -> tuple[str, str] | None:
    """Jobs of one target wait for each other, and for nobody else's."""
    try:
        job = decode(body)
    except MalformedEvent:
        return None
    return job.tenant_id, job.target


@dataclass(frozen=True, slots=True)
class Desk:
    """Where the jobs of one batch are worked on."""

    host: Container
    deadline: Deadline
    beat: Heartbeat

    def work(self, message: Message) -> None:
        """One job. Returns once it may be acknowledged: done and in the ledger, or buried.

        Raises:
            ComesBack, StateUnavailable: it has to come back.
        """
        try:
            job = decode(message.body)
        except MalformedEvent as refusal:
            self.host.logger.warning("job refused", message_id=message.id, **cause(refusal))
            self.host.job_letters.bury(message.body, refusal, group=message.group, attempts=message.receives)
            return
        error = self._attempt(job, message)
        if error is not None and not self._closed(job, message, error):
            raise ComesBack

    def _attempt(self, job: Job, message: Message) -> Exception | None:
        """Replicates; returns what went wrong, if anything did."""
        if message.receives > self.host.settings.job_attempts:
            return DeadlineExceeded("earlier attempts ended without an answer: the worker was stopped each time")
        try:
            with self.host.tracing.span("job"):
                usecase.replicate(job, self.host.replicating, self.deadline)
        except Exception as error:
            return error
        return None

    def _closed(self, job: Job, message: Message, error: Exception) -> bool:
        """Tells the ledger, then buries the job if this was its last attempt (True), or sets its delay (False)."""
        verdict = _verdict(error)
        final = isinstance(verdict, Never | AfterUser) or message.receives >= self.host.settings.job_attempts
        told = {"tenant": job.tenant_id, "rule": job.rule_id, "target": job.target, "final": final, **cause(error)}
        self.host.logger.warning("job failed", message_id=message.id, receives=message.receives, **told)
        if message.receives > _OVERLOOKED:
            self.host.metrics.count("StillFailing")
        try:
            usecase.failed(job, error, message.receives, final, self.host.replicating)
            if final:
                self._bury(job, message, error)
            else:
                self._postpone(message, verdict)
        except FarshoreError as trouble:
            # Neither acknowledged nor delayed: it comes back at the end of its visibility.
            self.host.logger.warning("failure not told", message_id=message.id, **cause(trouble))
            return False
        return final

    def _bury(self, job: Job, message: Message, error: Exception) -> None:
        known = error if isinstance(error, FarshoreError) else FarshoreError("an unexpected error; the logs name it")
        self.host.job_letters.bury(message.body, known, group=job.tenant_id, attempts=message.receives)

    def _postpone(self, message: Message, verdict: Retry) -> None:
        self.beat.leave(message.receipt)
        delay = self.host.backoff.delay(verdict, message.receives, self.host.randomness.fraction())
        self.host.job_letters.postpone(message.receipt, delay)


def _verdict(error: Exception) -> Retry:
    """Ours say what may be done; an unexpected error may be a passing one, so it is tried until the attempts run out."""
    return error.retry if isinstance(error, FarshoreError) else Later()
