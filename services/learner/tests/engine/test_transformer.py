from __future__ import annotations

import torch

from gradus_learner.engine.arena import Arena
from gradus_learner.engine.prefill_plan import plan_prefill
from gradus_learner.engine.transformer import Span, decode, prefill
from gradus_learner.model import Policy
from tests.engine.tiny_engine import CONTEXT, prompts, weights_of


@torch.inference_mode()
def full(policy: Policy, token_ids: list[int]) -> torch.Tensor:
    return policy(torch.tensor([token_ids]))[0]


def test_ragged_prefill_gives_the_logits_of_the_full_forward(policy: Policy) -> None:
    weights = weights_of(policy)
    arena = Arena(policy.config, 8, CONTEXT, torch.device("cpu"))
    texts = prompts(6)
    logits = prefill(weights, arena, [Span(row + 1, 0, text) for row, text in enumerate(texts)])
    assert logits is not None
    for text, row in zip(texts, logits, strict=True):
        torch.testing.assert_close(row, full(policy, text)[-1], atol=1e-4, rtol=0)


def test_prefill_in_pieces_equals_prefill_at_once(policy: Policy) -> None:
    weights = weights_of(policy)
    arena = Arena(policy.config, 4, CONTEXT, torch.device("cpu"))
    text = prompts(1, longest=59, seed=8)[0]
    parts = [part for start in range(0, len(text), 7) for part in [Span(2, start, text[start : start + 7])]]
    logits = [prefill(weights, arena, [part]) for part in parts][-1]
    assert logits is not None
    torch.testing.assert_close(logits[0], full(policy, text)[-1], atol=1e-4, rtol=0)


def test_decode_gives_the_logits_of_the_full_forward_for_every_row_and_step(policy: Policy) -> None:
    weights = weights_of(policy)
    arena = Arena(policy.config, 8, CONTEXT, torch.device("cpu"))
    texts = prompts(5, seed=4)
    prefill(weights, arena, [Span(row, 0, text) for row, text in enumerate(texts)])
    extra = torch.randint(0, 256, (6, 5), generator=torch.Generator().manual_seed(1))
    for tokens in extra:
        positions = torch.tensor([len(text) for text in texts])
        logits = decode(weights, arena, tokens, positions, int(positions.max()) + 1)
        for text, token, row in zip(texts, tokens.tolist(), logits, strict=True):
            text.append(token)
            torch.testing.assert_close(row, full(policy, text)[-1], atol=1e-4, rtol=0)


def test_a_moved_or_exported_row_decodes_as_before(policy: Policy) -> None:
    weights = weights_of(policy)
    arena = Arena(policy.config, 4, CONTEXT, torch.device("cpu"))
    text = prompts(1, seed=5)[0]
    prefill(weights, arena, [Span(3, 0, text)])
    arena.move(3, 1, len(text))
    arena.import_row(0, arena.export_row(1, len(text)), len(text))
    positions = torch.tensor([len(text)] * 2)
    logits = decode(weights, arena, torch.tensor([7, 7]), positions, len(text) + 1)
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
