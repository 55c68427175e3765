from tests.unit.functions.stand import stand

__all__ = ["stand"]
