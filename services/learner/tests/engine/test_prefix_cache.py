from __future__ import annotations

import torch

from gradus_learner.engine.arena import RowKv
from gradus_learner.engine.prefix_cache import CachedPrefix, PrefixCache, common_prefix


def prefix(*token_ids: int) -> CachedPrefix:
    # 2 layers, keys and values, 1 head, T tokens, 2 wide: 32 bytes a token, and 8 for its id.
    count = len(token_ids)
    return CachedPrefix(list(token_ids), RowKv(torch.zeros(2, 1, 2, count), torch.zeros(2, 1, count, 2)))


def test_a_prompt_gets_the_tokens_it_shares_and_computes_at_least_one() -> None:
    cache = PrefixCache(10_000)
    for prompt, expected in (
        ([1, 2, 3, 4], 3),
        ([1, 2, 3], 2),
        ([1, 2], 1),
        ([1, 9, 3, 4], 1),
    ):
        cache.put("s", prefix(1, 2, 3))
        hit = cache.take("s", prompt)
        assert hit is not None
        assert hit[1] == expected


def test_another_session_and_another_beginning_get_nothing() -> None:
    cache = PrefixCache(10_000)
    cache.put("s", prefix(1, 2, 3))
    assert cache.take("t", [1, 2, 3, 4]) is None
    assert cache.take("s", [5, 2, 3, 4]) is None


def test_the_budget_holds_in_bytes_and_the_oldest_entry_goes_first() -> None:
    cache = PrefixCache(3 * 10 * 40)
    for name in "abcd":
        cache.put(name, prefix(*range(10)))
        assert cache.size_bytes <= cache.budget_bytes
    assert len(cache) == 3
    assert cache.take("a", list(range(11))) is None
    assert cache.take("b", list(range(11))) is not None
    assert cache.size_bytes == 2 * 10 * 40


def test_an_entry_over_the_budget_is_not_kept_and_replaces_what_was_there() -> None:
    cache = PrefixCache(400)
    cache.put("s", prefix(1, 2))
    cache.put("s", prefix(*range(50)))
    assert len(cache) == 0
    assert cache.size_bytes == 0


def test_common_prefix_counts_equal_leading_tokens() -> None:
    assert common_prefix([1, 2, 3], [1, 2, 4]) == 2
    assert common_prefix([1, 2], [1, 2, 4]) == 2
    assert common_prefix([], [1]) == 0
