"""hush: a fault for any subject of duress."""

from fault import Chaos

__all__ = ["Chaos"]
