from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gradus_learner.engine.build import read_weights
from gradus_learner.engine.request import Finish
from gradus_learner.engine.runner import NonFiniteError
from gradus_learner.engine.scheduler import Engine, StoppedError
from gradus_learner.engine.stops import Vocabulary
from gradus_learner.errors import BusyError
from gradus_learner.models.dense import Dense
from gradus_learner.models.load import save_weights
from gradus_learner.models.registry import ARCHITECTURES, Model
from tests.engine.tiny_engine import (
    CONTEXT,
    EngineMaker,
    ask,
    build_policy,
    largest_difference,
    prompts,
    reference_logprobs,
    run,
    weights_of,
)


def step_until_done(engine: Engine) -> None:
    for _ in range(500):
        if engine.running == 0 and engine.waiting == 0:
            return
        engine.step()
    raise AssertionError("the engine did not finish")


def test_an_aborted_turn_returns_what_it_has_and_leaves_the_others_alone(
    make_engine: EngineMaker, policy: Dense
) -> None:
    engine = make_engine(start=False)
    texts = prompts(6, seed=2)
    turns = [engine.submit(ask(t, f"r{i}", seed=i, max_new_tokens=20)) for i, t in enumerate(texts)]
    for _ in range(4):
        engine.step()
    assert engine.abort("r2")
    engine.step()
    aborted = turns[2].future.result(timeout=0)
    assert aborted.finish is Finish.ABORTED
    # One token when its prompt was computed, and one in each of the four steps.
    assert len(aborted.token_ids) == 5
    assert not engine.abort("r2")
    step_until_done(engine)
    for index, text in enumerate(texts):
        outcome = turns[index].future.result(timeout=0)
        expected = reference_logprobs(policy, text, outcome.token_ids)
        assert largest_difference(outcome.logprobs, expected) < 1e-4


def test_a_waiting_turn_is_aborted_without_a_token(make_engine: EngineMaker) -> None:
    engine = make_engine(start=False)
    turn = engine.submit(ask([1], "r"))
    assert engine.abort("r")
    engine.step()
    outcome = turn.future.result(timeout=0)
    assert (outcome.finish, outcome.token_ids) == (Finish.ABORTED, [])
    assert not engine.abort("r")


def test_a_turn_whose_caller_is_gone_leaves_its_row(make_engine: EngineMaker) -> None:
    engine = make_engine(start=False)
    turn = engine.submit(ask([1, 2, 3], max_new_tokens=50))
    engine.step()
    assert engine.running == 1
    turn.future.cancel()
    engine.abort_turn(turn)
    engine.step()
    assert engine.running == 0


def test_a_request_sent_again_under_its_id_replaces_the_first(make_engine: EngineMaker) -> None:
    engine = make_engine(start=False)
    first = engine.submit(ask([1], "r", max_new_tokens=9))
    engine.step()
    second = engine.submit(ask([1], "r", max_new_tokens=9))
    step_until_done(engine)
    assert first.future.result(timeout=0).finish is Finish.ABORTED
    assert second.future.result(timeout=0).finish is not Finish.ABORTED


def test_p6_the_queue_is_bounded_and_says_when_to_come_back(make_engine: EngineMaker) -> None:
    """P6: no queue grows with the number of rollouts."""
    engine = make_engine(start=False, max_waiting=3)
    for _ in range(3):
        engine.submit(ask([1]))
    with pytest.raises(BusyError) as caught:
        engine.submit(ask([1]))
    assert 50 <= (caught.value.retry_after_ms or 0) <= 5000
    assert engine.waiting == 3
    step_until_done(engine)
    engine.submit(ask([1]))


def test_weights_loaded_in_flight_take_over_and_no_request_is_lost(
    make_engine: EngineMaker, policy: Dense, vocabulary: Vocabulary
) -> None:
    other = build_policy(vocabulary.size, vocabulary.size - 1, seed=2)
    engine = make_engine(start=False, version=4)
    texts = prompts(7, seed=13)
    turns = [engine.submit(ask(t, f"r{i}", seed=i, max_new_tokens=9)) for i, t in enumerate(texts)]
    done_before = engine.submit(ask([5, 6], max_new_tokens=1))
    engine.step()
    engine.step()
    loaded = engine.load(weights_of(other), 5)
    late = engine.submit(ask([7], max_new_tokens=2))
    engine.step()
    assert loaded.result(timeout=0) == len([t for t in turns if not t.future.done() or t.logprobs[3:]]) + 1
    assert engine.version == 5
    step_until_done(engine)
    assert done_before.future.result(timeout=0).last_version == 4
    assert late.future.result(timeout=0).first_version == 5
    for text, turn in zip(texts, turns, strict=True):
        outcome = turn.future.result(timeout=0)
        old, new = outcome.token_ids[:3], outcome.token_ids[3:]
        assert outcome.first_version == 4
        assert outcome.last_version == (5 if new else 4)
        assert largest_difference(outcome.logprobs[:3], reference_logprobs(policy, text, old)) < 1e-4
        # The new weights see the whole prefix through their own keys and values.
        assert largest_difference(outcome.logprobs[3:], reference_logprobs(other, [*text, *old], new)) < 1e-4


def test_a_turn_aborted_right_after_a_load_has_the_version_of_its_last_token(
    make_engine: EngineMaker, vocabulary: Vocabulary
) -> None:
    engine = make_engine(start=False)
    turn = engine.submit(ask([1, 2], "r", max_new_tokens=50))
    engine.step()
    engine.load(weights_of(build_policy(vocabulary.size, vocabulary.size - 1, seed=2)), 1)
    engine.abort("r")
    engine.step()
    outcome = turn.future.result(timeout=0)
    assert (outcome.first_version, outcome.last_version) == (0, 0)


def test_a_load_drops_what_the_cache_holds(make_engine: EngineMaker, vocabulary: Vocabulary) -> None:
    other = build_policy(vocabulary.size, vocabulary.size - 1, seed=2)
    engine = make_engine()
    first = run(engine, [ask([1, 2, 3], session="s", seed=1)])[0]
    assert engine.cache_bytes > 0
    engine.load(weights_of(other), 1).result(timeout=60)
    prompt = [1, 2, 3, *first.token_ids, 9]
    outcome = run(engine, [ask(prompt, session="s", seed=2)])[0]
    assert outcome.cached_tokens == 0
    assert largest_difference(outcome.logprobs, reference_logprobs(other, prompt, outcome.token_ids)) < 1e-4


def test_weights_that_overflow_fail_their_turns_and_the_next_version_serves_well(
    make_engine: EngineMaker, policy: Dense, vocabulary: Vocabulary
) -> None:
    broken = build_policy(vocabulary.size, vocabulary.size - 1)
    with torch.no_grad():
        for name, parameter in broken.named_parameters():
            if "layers.0.input_layernorm" in name:
                parameter.fill_(1e38)
    engine = make_engine(broken)
    turns = [engine.submit(ask(text, session=f"s{i}")) for i, text in enumerate(prompts(5))]
    for turn in turns:
        with pytest.raises(NonFiniteError, match="not finite"):
            turn.future.result(timeout=60)
    engine.load(weights_of(policy), 1).result(timeout=60)
    texts = prompts(5, seed=4)
    for text, outcome in zip(texts, run(engine, [ask(text) for text in texts]), strict=True):
        assert largest_difference(outcome.logprobs, reference_logprobs(policy, text, outcome.token_ids)) < 1e-4


def test_weights_that_are_not_finite_are_refused_by_name(policy: Dense, tmp_path: Path) -> None:
    with torch.no_grad():
        policy.model.norm.weight[0] = float("nan")
    save_weights(policy, tmp_path)
    with pytest.raises(ValueError, match=r"model\.norm\.weight holds 1 of"):
        read_weights(tmp_path, Model(ARCHITECTURES["qwen3"], policy.config), CONTEXT, "cpu")


def test_a_stopped_engine_answers_what_is_left_and_takes_nothing_more(make_engine: EngineMaker) -> None:
    engine = make_engine(max_running=1)
    turns = [engine.submit(ask([1], seed=i, max_new_tokens=120)) for i in range(6)]
    engine.stop()
    assert all(turn.future.result(timeout=0) for turn in turns)
    with pytest.raises(StoppedError):
        engine.submit(ask([1]))
