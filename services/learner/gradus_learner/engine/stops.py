"""When does a turn contain one of its stop strings? Cheap for the tokens that cannot end one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tokenizers import Tokenizer

# What a decoder writes for bytes that are no whole character.
_REPLACEMENT = "\ufffd"


@dataclass(frozen=True)
class StopRule:
    strings: tuple[str, ...]
    # Tokens whose text holds the last character of a stop string: only they can complete one.
    triggers: frozenset[int]
    # A token has at least one byte, so a stop string lies within this many tokens.
    tail_tokens: int


class Vocabulary:
    """The tokenizer as the engine needs it: text of tokens, never tokens of text."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.hash = hashlib.sha256(path.read_bytes()).hexdigest()
        self._tokenizer = Tokenizer.from_file(str(path))
        size = self._tokenizer.get_vocab_size(with_added_tokens=True)
        self._texts = self._tokenizer.decode_batch([[token] for token in range(size)], skip_special_tokens=False)
        self._rule = lru_cache(maxsize=256)(self._build_rule)

    @property
    def size(self) -> int:
        return len(self._texts)

    def decode(self, token_ids: Sequence[int]) -> str:
        """Text of the tokens, special ones included; those beyond the tokenizer have none."""
        return self._tokenizer.decode(token_ids, skip_special_tokens=False)

    def rule(self, strings: tuple[str, ...]) -> StopRule:
        return self._rule(strings)

    def _build_rule(self, strings: tuple[str, ...]) -> StopRule:
        last = {string[-1] for string in strings} | {_REPLACEMENT}
        triggers = frozenset(token for token, text in enumerate(self._texts) if not last.isdisjoint(text))
        longest = max((len(string.encode()) for string in strings), default=0)
        return StopRule(strings, triggers if strings else frozenset(), longest + 1)

    def stops(self, rule: StopRule, generated: Sequence[int]) -> bool:
        """Does the tail of what was generated contain a stop string? Ask after a trigger token only."""
        tail = self.decode(generated[-rule.tail_tokens :])
        return any(string in tail for string in rule.strings)
