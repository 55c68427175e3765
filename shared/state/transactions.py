"""Writes that happen together or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass

from pynamodb.connection import Connection
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from shared.state.answers import ConditionLost, answered
from shared.state.items import Item


@dataclass(frozen=True, slots=True)
class Delete:
    item: Item
    condition: Condition | None = None

    def join(self, transaction: TransactWrite) -> None:
        transaction.delete(self.item, condition=self.condition)


@dataclass(frozen=True, slots=True)
class Save:
    """The whole item."""

    item: Item
    condition: Condition | None = None

    def join(self, transaction: TransactWrite) -> None:
        transaction.save(self.item, condition=self.condition)


@dataclass(frozen=True, slots=True)
class Update:
    """These attributes of the item, which is only a key."""

    item: Item
    actions: Sequence[Action]
    condition: Condition | None = None

    def join(self, transaction: TransactWrite) -> None:
        transaction.update(self.item, actions=list(self.actions), condition=self.condition)


type Write = Delete | Save | Update

_ORDER = {Delete: 0, Save: 1, Update: 2}  # PynamoDB sends a transaction's writes so, whatever order they were added in


def together(connection: Connection, writes: Sequence[Write]) -> None:
    """One call.

    Raises:
        ConditionLost: nothing was written; ``lost`` holds the indexes of the ``writes`` that stood in the way.
        Contended, StateUnavailable
    """
    sent = sorted(range(len(writes)), key=lambda index: _ORDER[type(writes[index])])
    try:
        with answered(), TransactWrite(connection=connection) as transaction:
            for write in writes:
                write.join(transaction)
    except ConditionLost as error:
        raise ConditionLost(frozenset(sent[place] for place in error.lost)) from error
