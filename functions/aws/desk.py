"""What becomes of a message whose work failed, where no ledger has to know: it waits, or it is buried with its cause."""

from dataclasses import dataclass

from functions.aws.batch import ComesBack, Message
from shared.domain.errors import FarshoreError
from shared.domain.retry import AfterUser, Later, Never, Retry
from shared.runtime.container import Container
from shared.runtime.letters import Letters
from shared.runtime.logs import cause


@dataclass(frozen=True, slots=True)
class Desk:
    """One queue's failures.

    Attributes:
        what: the message's work, for the log.
        attempts: a message is buried at this one, whatever the verdict.
    """

    host: Container
    letters: Letters
    what: str
    attempts: int

    def failed(self, message: Message, error: Exception) -> None:
        """Buries the message, or has it come back after a growing while.

        Raises:
            ComesBack: it comes back, at the latest when its visibility ends.
        """
        verdict = error.retry if isinstance(error, FarshoreError) else Later()
        final = isinstance(verdict, Never | AfterUser) or message.receives >= self.attempts
        told = {"message_id": message.id, "receives": message.receives, "final": final, **cause(error)}
        self.host.logger.warning(f"{self.what} failed", **told)
        try:
            if final:
                self.bury(message, error)
                return
            self.postpone(message, self._delay(verdict, message))
        except FarshoreError as trouble:
            self.host.logger.warning("failure not told", message_id=message.id, **cause(trouble))
        raise ComesBack from None

    def bury(self, message: Message, error: Exception) -> None:
        """Keeps a copy among the dead; the caller then acknowledges the original. Raises StateUnavailable."""
        known = error if isinstance(error, FarshoreError) else FarshoreError("an unexpected error; the logs name it")
        self.letters.bury(message.body, known, group=message.group, attempts=message.receives)

    def postpone(self, message: Message, seconds: int) -> None:
        """Hides the message for that long. Raises StateUnavailable."""
        self.letters.postpone(message.receipt, seconds)

    def _delay(self, verdict: Retry, message: Message) -> int:
        return self.host.backoff.delay(verdict, message.receives, self.host.randomness.fraction())
