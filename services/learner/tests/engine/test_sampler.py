from __future__ import annotations

import math

import numpy as np
import torch

from gradus_learner.engine.sampler import Draw, sample, stream_keys, uniforms


def draw(count: int, uniform: float | list[float] = 0.5, **settings: float) -> Draw:
    temperature = settings.get("temperature", 1.0)
    values = np.full(count, uniform) if isinstance(uniform, float) else np.array(uniform)
    return Draw(
        inverse_temperature=np.full(count, 1.0 if temperature == 0 else 1 / temperature, np.float32),
        greedy=np.full(count, temperature == 0),
        top_k=np.full(count, int(settings.get("top_k", 0)), np.int64),
        top_p=np.full(count, settings.get("top_p", 1.0), np.float64),
        uniform=values,
    )


def logits_of(*probabilities: float) -> torch.Tensor:
    return torch.tensor([probabilities]).log()


def pick(probabilities: list[float], uniform: float, **settings: float) -> tuple[int, float]:
    tokens, logprobs = sample(logits_of(*probabilities), draw(1, uniform, **settings))
    return int(tokens[0]), float(logprobs[0])


def test_a_token_is_drawn_where_the_cumulative_probability_passes_the_random_number() -> None:
    p = [0.1, 0.2, 0.3, 0.4]
    assert [pick(p, u)[0] for u in (0.0, 0.0999, 0.1001, 0.2999, 0.3001, 0.5999, 0.6001, 1 - 2**-53)] == [
        0, 0, 1, 1, 2, 2, 3, 3,
    ]  # fmt: skip


def test_a_token_of_no_probability_is_never_drawn() -> None:
    assert pick([0.0, 1.0, 0.0], 0.0)[0] == 1
    assert pick([0.0, 1.0, 0.0], 1 - 2**-53)[0] == 1


def test_log_probabilities_are_after_temperature_and_before_truncation() -> None:
    p = [0.1, 0.2, 0.3, 0.4]
    squared = [x * x / 0.30 for x in p]
    token, score = pick(p, 0.999, temperature=0.5)
    assert token == 3
    assert math.isclose(score, math.log(squared[3]), abs_tol=1e-6)
    token, score = pick(p, 0.0, top_k=1)
    assert (token, round(score, 5)) == (3, round(math.log(0.4), 5))


def test_greedy_takes_the_likeliest_token_with_its_log_probability_at_temperature_one() -> None:
    token, score = pick([0.3, 0.6, 0.1], 0.0, temperature=0.0)
    assert token == 1
    assert math.isclose(score, math.log(0.6), abs_tol=1e-6)


def test_top_k_keeps_the_k_likeliest() -> None:
    p = [0.1, 0.2, 0.3, 0.4]
    assert {pick(p, u, top_k=2)[0] for u in np.linspace(0, 0.999, 50).tolist()} == {2, 3}
    # Of .4 and .3: .4 comes first and fills 4/7.
    assert pick(p, 0.57, top_k=2)[0] == 3
    assert pick(p, 0.58, top_k=2)[0] == 2


def test_top_p_keeps_the_smallest_set_that_reaches_the_mass() -> None:
    p = [0.1, 0.2, 0.3, 0.4]

    def drawn(mass: float) -> set[int]:
        return {pick(p, u, top_p=mass)[0] for u in np.linspace(0, 0.999, 50).tolist()}

    assert drawn(0.3) == {3}
    assert drawn(0.5) == {2, 3}
    assert drawn(0.8) == {1, 2, 3}


def test_rows_with_different_settings_do_not_disturb_each_other() -> None:
    p = [0.1, 0.2, 0.3, 0.4]
    mixed = Draw(
        inverse_temperature=np.array([1, 2, 1, 1], np.float32),
        greedy=np.array([False, False, True, False]),
        top_k=np.array([0, 0, 0, 1], np.int64),
        top_p=np.ones(4),
        uniform=np.array([0.05, 0.01, 0.0, 0.0]),
    )
    tokens, logprobs = sample(logits_of(*p).repeat(4, 1), mixed)
    assert tokens.tolist() == [0, 0, 3, 3]
    expected = [math.log(0.1), math.log(0.01 / 0.3), math.log(0.4), math.log(0.4)]
    torch.testing.assert_close(logprobs, torch.tensor(expected), atol=1e-5, rtol=0)


def test_frequencies_follow_the_distribution() -> None:
    p = [0.05, 0.15, 0.3, 0.5]
    count = 20_000
    keys = stream_keys(np.arange(count, dtype=np.uint64))
    numbers = uniforms(keys, np.full(count, 17, np.int64))
    tokens, _ = sample(logits_of(*p).repeat(count, 1), draw(count, numbers.tolist()))
    seen = np.bincount(tokens.numpy(), minlength=4) / count
    # Four standard errors.
    assert np.all(np.abs(seen - p) < 4 * np.sqrt(np.array(p) * (1 - np.array(p)) / count))


def test_random_numbers_depend_on_seed_and_position_alone_and_look_uniform() -> None:
    seeds = np.array([1, 2, 2**64 - 1], np.uint64)
    positions = np.array([5, 5, 9], np.int64)
    together = uniforms(stream_keys(seeds), positions)
    alone = [uniforms(stream_keys(seeds[i : i + 1]), positions[i : i + 1])[0] for i in range(3)]
    assert together.tolist() == alone
    run = uniforms(np.repeat(stream_keys(seeds[:1]), 10_000), np.arange(10_000))
    assert run.min() >= 0
    assert run.max() < 1
    assert abs(run.mean() - 0.5) < 4 * math.sqrt(1 / 12 / 10_000)
    assert abs(np.corrcoef(run[:-1], run[1:])[0, 1]) < 0.05


def test_logits_that_are_not_numbers_show_in_the_log_probability_of_their_row_only() -> None:
    logits = torch.cat([torch.full((1, 4), float("nan")), logits_of(0.1, 0.2, 0.3, 0.4)])
    tokens, logprobs = sample(logits, draw(2, 0.95))
    assert math.isnan(float(logprobs[0]))
    assert int(tokens[1]) == 3


def test_every_token_of_a_large_vocabulary_is_drawn_where_its_mass_lies() -> None:
    """The middle of a token's share of [0, 1) gives that token; sums in float32 lose the small shares."""
    vocabulary = 151_936
    logits = 3 * torch.randn(1, vocabulary, generator=torch.Generator().manual_seed(2))
    p = torch.softmax(logits, -1).double()
    middles = ((p.cumsum(-1) - p / 2) / p.sum())[0].numpy()
    tokens = np.random.default_rng(3).choice(vocabulary, 64, replace=False)
    drawn, _ = sample(logits.expand(64, -1).clone(), draw(64, middles[tokens].tolist()))
    assert drawn.tolist() == tokens.tolist()
