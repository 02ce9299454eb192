"""Keys and values of finished turns, kept by session until the session's next turn, within a budget of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from gradus_learner.engine.arena import RowKv

# A Python list holds a pointer per token.
_BYTES_PER_ID = 8


@dataclass(frozen=True)
class CachedPrefix:
    """`kv` belongs to exactly `token_ids`."""

    token_ids: list[int]
    kv: RowKv

    @property
    def size_bytes(self) -> int:
        return self.kv.size_bytes + _BYTES_PER_ID * len(self.token_ids)


def common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    """Length of the longest common prefix."""
    length = min(len(left), len(right))
    if left[:length] == right[:length]:
        return length
    return next(index for index, (a, b) in enumerate(zip(left, right, strict=False)) if a != b)


class PrefixCache:
    """Least recently stored goes first. Not thread-safe: the engine thread owns it."""

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self.size_bytes = 0
        self._entries: OrderedDict[str, CachedPrefix] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, session: str, prefix: CachedPrefix) -> None:
        self._drop(session)
        if prefix.size_bytes > self.budget_bytes:
            return
        while self.size_bytes + prefix.size_bytes > self.budget_bytes:
            self._drop(next(iter(self._entries)))
        self._entries[session] = prefix
        self.size_bytes += prefix.size_bytes

    def take(self, session: str, prompt: Sequence[int]) -> tuple[CachedPrefix, int] | None:
        """Remove the session's entry; returns it with the number of leading tokens that `prompt` shares with it.

        At least one token of the prompt is left to compute, since its logits are needed.
        """
        entry = self._drop(session)
        if entry is None:
            return None
        length = min(common_prefix(entry.token_ids, prompt), len(prompt) - 1)
        return (entry, length) if length > 0 else None

    def clear(self) -> None:
        self._entries.clear()
        self.size_bytes = 0

    def _drop(self, session: str) -> CachedPrefix | None:
        entry = self._entries.pop(session, None)
        if entry is not None:
            self.size_bytes -= entry.size_bytes
        return entry
