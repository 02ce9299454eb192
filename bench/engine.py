"""How fast is the built-in engine? Prints one JSON object.

Three measurements per number of threads, on a random policy of the demo's size:

- rollouts: sessions of several turns (short answers, environment text between them) kept at a constant concurrency,
  as rollout workers drive the engine, prefix reuse included;
- decode: all rows busy at the prompt's length, nothing else;
- prefill: whole prompts, nothing else.

    PYTHONPATH=services/learner:proto/gen/python .venv/bin/python bench/engine.py --threads 1,2 > out.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import queue
import random
import tempfile
import time
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def machine() -> dict[str, Any]:
    import torch

    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "loadAverage": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": platform.system(),
    }


@dataclass(frozen=True)
class Shape:
    sessions: int
    hidden: int
    layers: int
    vocabulary: int
    sequence_tokens: int
    prompt_tokens: int
    turn_tokens: int
    environment_tokens: int


def write_tokenizer(path: Path, vocabulary: int) -> None:
    """Words w0, w1, …: the engine needs texts only to look for stop strings."""
    from tokenizers import Tokenizer, models

    Tokenizer(models.WordLevel({f"w{i}": i for i in range(vocabulary)}, unk_token="w0")).save(str(path))


def build_engine(shape: Shape, rows: int, cache_bytes: int) -> Any:
    import torch
    from prometheus_client import CollectorRegistry

    from gradus_learner.engine.events import EngineEvents
    from gradus_learner.engine.scheduler import Engine
    from gradus_learner.engine.stops import Vocabulary
    from gradus_learner.engine.transformer import fuse
    from gradus_learner.models.dense import Dense
    from gradus_learner.models.dense_config import DenseConfig
    from gradus_learner.models.qwen3 import QWEN3

    config = DenseConfig(
        QWEN3,
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=3 * shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.hidden // 32,
        num_key_value_heads=max(1, shape.hidden // 64),
        head_dim=32,
        max_position_embeddings=4096,
        # Hardly ever drawn: turns end by their length.
        eos_token_ids=(shape.vocabulary - 1,),
    )
    policy = Dense(config)
    policy.initialise(torch.Generator().manual_seed(0))
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "tokenizer.json"
        write_tokenizer(path, shape.vocabulary)
        vocabulary = Vocabulary(path)
    return Engine(
        fuse(policy, 1024),
        vocabulary,
        EngineEvents(CollectorRegistry()),
        max_context=1024,
        max_running=rows,
        max_waiting=10_000,
        cache_bytes=cache_bytes,
    )


class Session:
    """One rollout: its turns grow one sequence until it is long enough, then a new one begins."""

    def __init__(self, number: int, shape: Shape) -> None:
        self.random = random.Random(number)
        self.shape = shape
        self.number = number
        self.count = 0
        self.token_ids: list[int] = []
        self.begin()

    def words(self, count: int) -> list[int]:
        return [self.random.randrange(self.shape.vocabulary) for _ in range(count)]

    def begin(self) -> None:
        self.count += 1
        self.token_ids = self.words(self.shape.prompt_tokens)

    def advance(self, generated: list[int]) -> None:
        around = self.shape.environment_tokens
        self.token_ids += generated + self.words(self.random.randint(around // 2, around + around // 2))
        if len(self.token_ids) + self.shape.turn_tokens > self.shape.sequence_tokens:
            self.begin()

    def request(self) -> Any:
        from gradus_learner.engine.request import Request, Sampling

        mean = self.shape.turn_tokens
        sampling = Sampling(
            max_new_tokens=self.random.randint(mean // 2, mean + mean // 2),
            seed=self.random.getrandbits(63),
            stop=("</tool>", "</answer>"),
        )
        return Request("", f"{self.number}.{self.count}", self.token_ids, sampling, 1024)


def counts(engine: Any) -> dict[str, float]:
    registry = engine.events.registry
    names = ("generated_tokens", "prefilled_tokens", "cached_tokens", "steps")
    return {name: registry.get_sample_value(f"gradus_engine_{name}_total") or 0.0 for name in names}


def measure_rollouts(shape: Shape, seconds: float) -> dict[str, float]:
    engine = build_engine(shape, max(shape.sessions, 1), 512 * 2**20)
    engine.start()
    done: queue.SimpleQueue[tuple[Session, Future[Any]]] = queue.SimpleQueue()

    def submit(session: Session) -> None:
        future = engine.submit(session.request()).future
        future.add_done_callback(lambda finished: done.put((session, finished)))

    for number in range(shape.sessions):
        submit(Session(number, shape))
    turns, cpu = 0, 0.0
    # The first rounds begin in step with each other; let the sessions spread over their lengths.
    started, before = time.perf_counter() + seconds / 3, None
    while True:
        now = time.perf_counter()
        if before is None and now >= started:
            started, before, turns, cpu = now, counts(engine), 0, time.process_time()
        if before is not None and now >= started + seconds:
            break
        session, future = done.get(timeout=60)
        session.advance(future.result().token_ids)
        submit(session)
        turns += 1
    elapsed = time.perf_counter() - started
    cpu = time.process_time() - cpu
    after = counts(engine)
    engine.stop()
    per_second = {name: (after[name] - before[name]) / elapsed for name in after}
    prompt = per_second["prefilled_tokens"] + per_second["cached_tokens"]
    return {
        "generatedTokensPerSecond": round(per_second["generated_tokens"]),
        "prefilledTokensPerSecond": round(per_second["prefilled_tokens"]),
        "cachedShareOfPrompt": round(per_second["cached_tokens"] / prompt, 3),
        "turnsPerSecond": round(turns / elapsed, 1),
        # What a machine that is busy with other things still shows.
        "generatedTokensPerCpuSecond": round((after["generated_tokens"] - before["generated_tokens"]) / cpu),
        "batchesPerSecond": round(per_second["steps"], 1),
    }


def measure_decode(shape: Shape, seconds: float) -> dict[str, float]:
    engine = build_engine(shape, shape.sessions, 0)
    session = Session(0, shape)
    from gradus_learner.engine.request import Request, Sampling

    for _ in range(shape.sessions):
        engine.submit(Request("", "", session.words(shape.sequence_tokens), Sampling(max_new_tokens=700), 1024))
    while engine.running < shape.sessions:
        engine.step()
    started, steps, cpu = time.perf_counter(), 0, time.process_time()
    # Lengths stay near the sequence's, whatever the machine's speed.
    while time.perf_counter() < started + seconds and steps < 100:
        engine.step()
        steps += 1
    elapsed = time.perf_counter() - started
    return {
        "generatedTokensPerSecond": round(steps * shape.sessions / elapsed),
        "generatedTokensPerCpuSecond": round(steps * shape.sessions / (time.process_time() - cpu)),
        "stepMs": round(1000 * elapsed / steps, 2),
    }


def measure_prefill(shape: Shape, seconds: float) -> dict[str, float]:
    from gradus_learner.engine.request import Request, Sampling

    engine = build_engine(shape, shape.sessions, 0)
    session = Session(0, shape)
    started, tokens, cpu = 0.0, 0, 0.0
    while not started or time.perf_counter() < started + seconds:
        texts = [
            session.words(session.random.randint(shape.sequence_tokens // 2, shape.sequence_tokens)) for _ in range(32)
        ]
        for text in texts:
            engine.submit(Request("", "", text, Sampling(max_new_tokens=1), 1024))
        if not started:
            started, cpu = time.perf_counter(), time.process_time()
        while engine.waiting or engine.running:
            engine.step()
        tokens += sum(map(len, texts))
    return {
        "prefilledTokensPerSecond": round(tokens / (time.perf_counter() - started)),
        "prefilledTokensPerCpuSecond": round(tokens / (time.process_time() - cpu)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", default="1,2", help="numbers of threads to measure, comma list (default 1,2)")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each measurement (default 10)")
    parser.add_argument("--sessions", type=int, default=192)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--vocabulary", type=int, default=1000)
    parser.add_argument("--sequence-tokens", type=int, default=250)
    options = parser.parse_args()
    shape = Shape(
        options.sessions, options.hidden, options.layers, options.vocabulary, options.sequence_tokens, 20, 15, 45
    )
    from gradus_learner.engine.__main__ import prepare_threads

    prepare_threads()
    import torch

    results: list[dict[str, Any]] = []
    for threads in (int(word) for word in options.threads.split(",")):
        torch.set_num_threads(threads)
        results.append(
            {
                "threads": threads,
                "rollouts": measure_rollouts(shape, options.seconds),
                "decode": measure_decode(shape, options.seconds / 2),
                "prefill": measure_prefill(shape, options.seconds / 2),
            }
        )
    print(json.dumps({"bench": "engine", "machine": machine(), "shape": vars(shape), "results": results}, indent=2))


if __name__ == "__main__":
    main()
