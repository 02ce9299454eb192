from __future__ import annotations

import torch

from gradus_learner.engine.request import Finish, Outcome
from gradus_learner.engine.stops import Vocabulary
from gradus_learner.models.dense import Dense
from tests.engine.tiny_engine import EngineMaker, ask, largest_difference, prompts, reference_logprobs, run


def test_p4_log_probabilities_equal_those_of_a_full_forward(make_engine: EngineMaker, policy: Dense) -> None:
    """P4: what the learner recomputes over engine's tokens is what the engine reported, to 1e-4 in float32."""
    engine = make_engine()
    texts = prompts(24)
    for temperature in (1.0, 0.7, 1.3):
        outcomes = run(engine, [ask(text, seed=i, temperature=temperature) for i, text in enumerate(texts)])
        for text, outcome in zip(texts, outcomes, strict=True):
            assert len(outcome.token_ids) > 0
            expected = reference_logprobs(policy, text, outcome.token_ids, temperature)
            assert largest_difference(outcome.logprobs, expected) < 1e-4


def test_greedy_decoding_takes_the_likeliest_token_of_the_full_forward(make_engine: EngineMaker, policy: Dense) -> None:
    texts = prompts(6, seed=11)
    for text, outcome in zip(texts, run(make_engine(), [ask(t, temperature=0) for t in texts]), strict=True):
        sequence = list(text)
        for token in outcome.token_ids:
            with torch.inference_mode():
                assert token == int(policy(torch.tensor([sequence]))[0, -1].argmax())
            sequence.append(token)


def test_p8_a_seeded_request_gives_the_same_tokens_whatever_shares_its_batch(make_engine: EngineMaker) -> None:
    """P8: the draw depends on seed, prefix and weights, not on the company."""
    texts = prompts(12, seed=5)
    requests = [ask(text, seed=100 + i, top_p=0.95 if i % 3 else 1.0) for i, text in enumerate(texts)]
    together = run(make_engine(), requests)
    narrow = run(make_engine(max_running=2), requests)
    reverse = run(make_engine(), requests[::-1])[::-1]
    alone = [run(make_engine(max_running=1), [request])[0] for request in requests[:3]]
    for other in (narrow, reverse, alone):
        for a, b in zip(together, other, strict=False):
            assert a.token_ids == b.token_ids
            assert largest_difference(a.logprobs, b.logprobs) < 1e-4


def test_another_seed_gives_other_tokens(make_engine: EngineMaker) -> None:
    outcomes = run(make_engine(), [ask([1, 2, 3], seed=seed) for seed in range(8)])
    assert len({tuple(outcome.token_ids) for outcome in outcomes}) > 4


def test_a_session_reuses_its_prefix_and_writes_the_same_tokens_as_without(
    make_engine: EngineMaker, policy: Dense
) -> None:
    cached, uncached = make_engine(), make_engine(cache_bytes=0)
    sequences = prompts(8, longest=25, seed=6)
    for turn in range(4):
        requests = [
            ask(sequence, session=f"s{i}", seed=10 * i + turn, max_new_tokens=8) for i, sequence in enumerate(sequences)
        ]
        with_cache, without = run(cached, requests), run(uncached, requests)
        for i, (a, b) in enumerate(zip(with_cache, without, strict=True)):
            assert a.token_ids == b.token_ids
            assert b.cached_tokens == 0
            if turn > 0:
                # All of the last turn but its last token, which was never an input.
                assert a.cached_tokens == len(sequences[i]) - 1 - ENVIRONMENT_TOKENS
            expected = reference_logprobs(policy, sequences[i], a.token_ids)
            assert largest_difference(a.logprobs, expected) < 1e-4
            sequences[i] = [*sequences[i], *a.token_ids, *range(turn, turn + ENVIRONMENT_TOKENS)]
    assert cached.cache_bytes > 0


ENVIRONMENT_TOKENS = 9


def test_a_session_whose_history_was_changed_recomputes_from_the_change(
    make_engine: EngineMaker, policy: Dense
) -> None:
    engine = make_engine()
    run(engine, [ask([1, 2, 3, 4, 5, 6], session="s", seed=1)])
    changed = [1, 2, 3, 99, 5, 6]
    outcome = run(engine, [ask(changed, session="s", seed=2)])[0]
    assert outcome.cached_tokens == 3
    assert largest_difference(outcome.logprobs, reference_logprobs(policy, changed, outcome.token_ids)) < 1e-4


def test_a_long_prompt_is_computed_in_pieces(make_engine: EngineMaker, policy: Dense) -> None:
    engine = make_engine(prefill_tokens=16)
    texts = prompts(5, longest=140, seed=9)
    for text, outcome in zip(texts, run(engine, [ask(t, max_new_tokens=5) for t in texts]), strict=True):
        expected = reference_logprobs(policy, text, outcome.token_ids)
        assert largest_difference(outcome.logprobs, expected) < 1e-4


def test_a_turn_that_outgrows_its_region_goes_on_in_the_next(make_engine: EngineMaker, policy: Dense) -> None:
    texts = prompts(9, longest=70, seed=31)
    outcomes = run(make_engine(), [ask(t, seed=i, max_new_tokens=90) for i, t in enumerate(texts)])
    assert max(len(outcome.token_ids) for outcome in outcomes) > 60
    for text, outcome in zip(texts, outcomes, strict=True):
        assert largest_difference(outcome.logprobs, reference_logprobs(policy, text, outcome.token_ids)) < 1e-4


def force(policy: Dense, token: int) -> Dense:
    """A policy that always writes `token`: its output row follows whatever the last norm gives."""
    with torch.no_grad():
        policy.model.norm.weight.zero_()
        policy.model.norm.weight[0] = 1.0
        # All states have the same first coordinate, and only `token` looks at it.
        policy.model.embed_tokens.weight[:, 0] = 0.0
        for layer in policy.model.layers:
            layer.self_attn.o_proj.weight.zero_()  # pyright: ignore[reportAttributeAccessIssue, reportCallIssue]
            layer.mlp.down_proj.weight.zero_()  # pyright: ignore[reportAttributeAccessIssue, reportCallIssue]
    return untie(policy, token)


def untie(policy: Dense, token: int) -> Dense:
    from dataclasses import replace

    forced = Dense(replace(policy.config, tie_word_embeddings=False))
    forced.load_state_dict(policy.state_dict(), strict=False)
    assert forced.lm_head is not None
    with torch.no_grad():
        forced.model.embed_tokens.weight[:, 0] = 5.0
        forced.lm_head.weight.zero_()
        forced.lm_head.weight[token, 0] = 100.0
    return forced


def test_the_end_token_stops_and_stays_in_the_output(
    make_engine: EngineMaker, policy: Dense, vocabulary: Vocabulary
) -> None:
    eos = vocabulary.size - 1
    outcome = run(make_engine(force(policy, eos)), [ask([1, 2])])[0]
    assert (outcome.finish, outcome.token_ids) == (Finish.STOP, [eos])


def test_a_stop_string_over_several_tokens_stops_and_stays_in_the_output(
    make_engine: EngineMaker, policy: Dense, vocabulary: Vocabulary
) -> None:
    letter = next(token for token in range(vocabulary.size) if vocabulary.decode([token]) == "e")
    engine = make_engine(force(policy, letter))
    outcomes = run(engine, [ask([1, letter], stop=("x", "eee"), max_new_tokens=9), ask([1], max_new_tokens=9)])
    assert (outcomes[0].finish, outcomes[0].token_ids) == (Finish.STOP, [letter] * 3)
    assert (outcomes[1].finish, len(outcomes[1].token_ids)) == (Finish.LENGTH, 9)


def test_each_limit_ends_a_turn_with_its_own_reason(
    make_engine: EngineMaker, policy: Dense, vocabulary: Vocabulary
) -> None:
    letter = next(token for token in range(vocabulary.size) if vocabulary.decode([token]) == "e")
    outcomes = run(
        make_engine(force(policy, letter)),
        [
            ask([1] * 10, max_new_tokens=5),
            ask([1] * 10, max_new_tokens=50, context=14),
            ask([1] * 10, max_new_tokens=4, context=14),
            ask([1] * 10, max_new_tokens=4, context=10),
            ask([1] * 10, max_new_tokens=2, context=14, stop=("ee",)),
        ],
    )
    assert [(outcome.finish, len(outcome.token_ids)) for outcome in outcomes] == [
        (Finish.LENGTH, 5),
        (Finish.CONTEXT, 4),
        (Finish.CONTEXT, 4),
        (Finish.CONTEXT, 0),
        (Finish.STOP, 2),
    ]


def test_more_requests_than_rows_are_all_answered(make_engine: EngineMaker) -> None:
    texts = prompts(60, seed=21)
    engine = make_engine(max_running=7)
    outcomes: list[Outcome] = run(engine, [ask(text, seed=i, max_new_tokens=1 + i % 9) for i, text in enumerate(texts)])
    assert [len(outcome.token_ids) for outcome in outcomes if outcome.finish is Finish.LENGTH]
    assert all(len(outcome.token_ids) == len(outcome.logprobs) for outcome in outcomes)
    assert (engine.running, engine.waiting) == (0, 0)
