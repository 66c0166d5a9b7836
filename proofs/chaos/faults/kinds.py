"""How a fault begins and heals."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from proofs.chaos.world import World

Begin = Callable[[World, str], AbstractAsyncContextManager[None]]
"""Begins a fault of a target, and heals it when left."""
