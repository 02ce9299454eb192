"""Who runs when not all can: priority, and room for keys and values."""

from __future__ import annotations

from gradus_learner.engine.request import Finish
from gradus_learner.engine.scheduler import Engine
from gradus_learner.models.dense import Dense
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


def step_until(engine: Engine, done: bool = True) -> None:
    for _ in range(2000):
        if (engine.preemptions > 0) if not done else (engine.running == 0 and engine.waiting == 0):
            return
        engine.step()
    raise AssertionError("the engine never got there")


def test_an_evaluation_begins_before_training_requests_that_came_earlier(make_engine: EngineMaker) -> None:
    engine = make_engine(start=False, max_running=1)
    training = [engine.submit(ask([1, index], max_new_tokens=2)) for index in range(3)]
    evaluation = engine.submit(ask([2], priority=1, max_new_tokens=2))
    engine.step()
    assert evaluation.started_at is not None
    assert all(turn.started_at is None for turn in training)
    step_until(engine)
    started = [turn.started_at for turn in (evaluation, *training)]
    assert started == sorted(time for time in started if time is not None)


def test_p8_turns_that_lose_their_row_write_the_same_tokens_as_without(make_engine: EngineMaker, policy: Dense) -> None:
    texts = prompts(6, longest=20, seed=5)
    requests = [
        ask(text, f"r{index}", session=f"s{index}", seed=index, max_new_tokens=60) for index, text in enumerate(texts)
    ]
    expected = run(make_engine(), requests)
    crowded = make_engine(start=False, kv_tokens=CONTEXT + 40)
    turns = [crowded.submit(request) for request in requests]
    step_until(crowded)
    assert crowded.preemptions > 0
    for text, turn, whole in zip(texts, turns, expected, strict=True):
        outcome = turn.future.result(timeout=0)
        assert (outcome.token_ids, outcome.finish) == (whole.token_ids, whole.finish)
        # Of its prompt: what it wrote itself before it lost its row does not count.
        assert outcome.cached_tokens == 0
        assert largest_difference(outcome.logprobs, reference_logprobs(policy, text, outcome.token_ids)) < 1e-4


def test_p6_keys_and_values_stay_within_their_bound_and_the_share_is_told(make_engine: EngineMaker) -> None:
    engine = make_engine(start=False, kv_tokens=CONTEXT)
    turns = [engine.submit(ask([1, 2, 3], f"r{index}", seed=index, max_new_tokens=100)) for index in range(8)]
    highest = 0.0
    for _ in range(60):
        engine.step()
        highest = max(highest, engine.kv_used_ratio)
        # Those with a row, and nobody else, hold any; each may be one token over until the next step.
        assert sum(len(turn.token_ids) for turn in turns if turn.batch is not None) <= CONTEXT + engine.running
    assert highest > 0.7
    assert engine.waiting > 0


def test_the_one_of_least_priority_that_came_last_loses_its_row(make_engine: EngineMaker) -> None:
    engine = make_engine(start=False, kv_tokens=CONTEXT)
    evaluation = engine.submit(ask(list(range(1, 40)), priority=1, seed=1, max_new_tokens=100))
    older, newer = (engine.submit(ask(list(range(1, 20)), seed=seed, max_new_tokens=100)) for seed in (2, 3))
    step_until(engine, done=False)
    assert newer.batch is None
    assert evaluation.batch is not None
    assert older.batch is not None


def test_p5_a_turn_without_a_row_during_a_load_says_which_versions_wrote(make_engine: EngineMaker) -> None:
    engine = make_engine(start=False, kv_tokens=CONTEXT)
    turns = [
        engine.submit(ask([1, 2, 3], f"r{index}", session=f"s{index}", seed=index, max_new_tokens=100))
        for index in range(4)
    ]
    step_until(engine, done=False)
    parked = next(turn for turn in turns if turn.started_at is not None and turn.batch is None)
    other = build_policy(engine.config.vocab_size, engine.config.eos_token_ids[0], seed=2)
    engine.load(weights_of(other), 1)
    engine.abort(parked.request.request_id)
    engine.step()
    outcome = parked.future.result(timeout=0)
    assert (outcome.finish, outcome.first_version, outcome.last_version) == (Finish.ABORTED, 0, 0)
