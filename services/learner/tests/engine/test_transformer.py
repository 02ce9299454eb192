from __future__ import annotations

import torch

from gradus_learner.engine.arena import Region, region_capacities
from gradus_learner.engine.prefill_plan import plan_prefill
from gradus_learner.engine.transformer import Part, Span, decode, prefill
from gradus_learner.models.dense import Dense
from tests.engine.tiny_engine import CONTEXT, prompts, weights_of


def region_of(policy: Dense, rows: int = 8) -> Region:
    region = Region(policy.config, CONTEXT, torch.device("cpu"))
    region.reserve(rows)
    return region


@torch.inference_mode()
def full(policy: Dense, token_ids: list[int]) -> torch.Tensor:
    return policy(torch.tensor([token_ids]))[0]


def test_ragged_prefill_gives_the_logits_of_the_full_forward(policy: Dense) -> None:
    weights = weights_of(policy)
    region = region_of(policy)
    texts = prompts(6)
    logits = prefill(weights, region, [Span(row + 1, 0, text) for row, text in enumerate(texts)])
    assert logits is not None
    for text, row in zip(texts, logits, strict=True):
        torch.testing.assert_close(row, full(policy, text)[-1], atol=1e-4, rtol=0)


def test_prefill_in_pieces_equals_prefill_at_once(policy: Dense) -> None:
    weights = weights_of(policy)
    region = region_of(policy)
    text = prompts(1, longest=59, seed=8)[0]
    parts = [part for start in range(0, len(text), 7) for part in [Span(2, start, text[start : start + 7])]]
    logits = [prefill(weights, region, [part]) for part in parts][-1]
    assert logits is not None
    torch.testing.assert_close(logits[0], full(policy, text)[-1], atol=1e-4, rtol=0)


def test_decode_gives_the_logits_of_the_full_forward_for_every_row_and_step(policy: Dense) -> None:
    weights = weights_of(policy)
    region = region_of(policy)
    texts = prompts(5, seed=4)
    prefill(weights, region, [Span(row, 0, text) for row, text in enumerate(texts)])
    extra = torch.randint(0, 256, (6, 5), generator=torch.Generator().manual_seed(1))
    for tokens in extra:
        positions = torch.tensor([len(text) for text in texts])
        logits = decode(weights, tokens, [Part(region, positions, int(positions.max()) + 1)])
        for text, token, row in zip(texts, tokens.tolist(), logits, strict=True):
            text.append(token)
            torch.testing.assert_close(row, full(policy, text)[-1], atol=1e-4, rtol=0)


def test_a_moved_or_exported_row_decodes_as_before(policy: Dense) -> None:
    weights = weights_of(policy)
    region = region_of(policy)
    text = prompts(1, seed=5)[0]
    prefill(weights, region, [Span(3, 0, text)])
    region.move(3, 1, len(text))
    region.import_row(0, region.export_row(1, len(text)), len(text))
    positions = torch.tensor([len(text)] * 2)
    logits = decode(weights, torch.tensor([7, 7]), [Part(region, positions, len(text) + 1)])
    torch.testing.assert_close(logits, full(policy, [*text, 7])[-1].expand(2, -1), atol=1e-4, rtol=0)


def test_a_prefill_plan_keeps_order_and_budget_and_cuts_long_prompts() -> None:
    jobs = [Span(row, 0, list(range(length))) for row, length in enumerate([3, 5, 5, 90, 95, 250])]
    passes = list(plan_prefill(jobs, 100))
    assert [token for part in passes for span in part.spans for token in span.token_ids] == [
        token for job in jobs for token in job.token_ids
    ]
    assert all(max(len(s.token_ids) for s in part.spans) * len(part.spans) <= 100 for part in passes)
    assert sum(len(part.spans) for part in passes if part.final) == len(jobs)
    assert [span.start for part in passes for span in part.spans if span.row == 5] == [0, 100, 200]


def test_decode_over_several_regions_equals_decode_in_one(policy: Dense) -> None:
    weights = weights_of(policy)
    texts = prompts(5, seed=14)
    regions = [region_of(policy, 2), region_of(policy, 3)]
    prefill(weights, regions[0], [Span(row, 0, text) for row, text in enumerate(texts[:2])])
    prefill(weights, regions[1], [Span(row, 0, text) for row, text in enumerate(texts[2:])])
    lengths = [torch.tensor([len(text) for text in part]) for part in (texts[:2], texts[2:])]
    parts = [Part(region, at, int(at.max()) + 1) for region, at in zip(regions, lengths, strict=True)]
    logits = decode(weights, torch.arange(5), parts)
    for token, (text, row) in enumerate(zip(texts, logits, strict=True)):
        torch.testing.assert_close(row, full(policy, [*text, token])[-1], atol=1e-4, rtol=0)


def test_growing_a_region_keeps_what_it_holds(policy: Dense) -> None:
    weights = weights_of(policy)
    region, text = region_of(policy, 1), prompts(1, seed=5)[0]
    prefill(weights, region, [Span(0, 0, text)])
    region.reserve(100)
    logits = decode(weights, torch.tensor([7]), [Part(region, torch.tensor([len(text)]), len(text) + 1)])
    torch.testing.assert_close(logits[0], full(policy, [*text, 7])[-1], atol=1e-4, rtol=0)


def test_region_capacities_grow_by_at_most_a_half_up_to_the_context() -> None:
    assert region_capacities(1024) == [64, 96, 128, 192, 256, 384, 512, 768, 1024]
    assert region_capacities(160) == [64, 96, 128, 160]
    assert region_capacities(10) == [10]
