"""What does a training step need? Prints one JSON object: its seconds, its peak memory, how it moved the weights.

Each measurement is a process of its own, so that its peak is its own. The learner is that of PYTHONPATH: give another
checkout's to compare with it.

    export PYTHONPATH=services/learner:proto/gen/python
    .venv/bin/python bench/learner.py > docs/results/learner.json
    .venv/bin/python bench/learner.py speed > out.json
    .venv/bin/python bench/learner.py memory --vocabulary 16384 > out.json

- results, the default: all that docs/results/learner.md has, one after another;
- speed: rollouts as the demo has them (128, of 100 to 640 tokens) on policies/nano or another model directory;
- memory: one sequence of many tokens, half of them the policy's, on a small random model with a wide vocabulary;
- families: logits of each family and rotary embedding next to those of transformers, for the same directory.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SAMPLES = 128
# Of `results`, in the order of the page: what is measured, and with which options.
STEPS: dict[str, list[str]] = {
    "all logits at once, by autograd": ["memory", "--logits", "whole"],
    "logits in parts": ["memory"],
    "logits in parts, layers computed again": ["memory", "--trainer", '{"activation_checkpointing": true}'],
    "the same in bfloat16": ["memory", "--trainer", '{"activation_checkpointing": true, "precision": "bfloat16"}'],
}


def machine() -> dict[str, Any]:
    import torch

    names = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "loadAverage": [round(load, 2) for load in os.getloadavg()],
        "torch": torch.__version__,
    }


def sample_of(generator: Any, length: int, vocabulary: int, advantage: float) -> Any:
    """Half of it in turns of the policy, of 40 tokens each."""
    import numpy as np

    from gradus_learner.train.sample import Sample

    positions = [at for at in range(20, length) if at // 40 % 2 == 1 or length < 80]
    return Sample(
        task_id="bench",
        ids=generator.integers(0, vocabulary, length),
        model_positions=np.array(positions, np.int64),
        rollout_logprobs=np.full(len(positions), -1.0, np.float32),
        advantage=advantage,
        truncated=False,
        digest_matches=True,
    )


def wide_policy(options: argparse.Namespace) -> Any:
    import torch

    from gradus_learner.models.dense import Dense
    from gradus_learner.models.dense_config import DenseConfig
    from gradus_learner.models.qwen3 import QWEN3

    config = DenseConfig(
        QWEN3,
        vocab_size=options.vocabulary,
        hidden_size=options.hidden,
        intermediate_size=options.hidden * 3,
        num_hidden_layers=options.layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=options.hidden // 4,
    )
    policy = Dense(config)
    policy.initialise(torch.Generator().manual_seed(1))
    return policy


def whole_scores(hidden: Any, weight: Any, targets: Any, temperature: float, _entropy: str) -> Any:
    """As the learner had them before `token_scores`: one table of logits, which autograd keeps."""
    import torch

    from gradus_learner.models.token_scores import TokenScores

    logprobs = torch.log_softmax((hidden @ weight.to(hidden.dtype).T).float() / temperature, -1)
    picked = logprobs.gather(1, targets.unsqueeze(1)).squeeze(1)
    with torch.no_grad():
        entropy = -(logprobs.exp() * logprobs).sum(-1)
    return TokenScores(picked, entropy, torch.zeros_like(targets, dtype=torch.bool))


def padded_tokens(samples: list[Any], budget: int) -> int:
    """What a padded batch of the same micro-batches would compute; packed rows compute what there is."""
    from gradus_learner.train.batch import micro_batches

    lengths = [sample.length for sample in samples]
    return sum(len(part) * max(lengths[index] for index in part) for part in micro_batches(lengths, budget))


def peak_mebibytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """In a process of its own."""
    import numpy as np
    import torch

    from gradus_learner.models.load import load_policy
    from gradus_learner.objectives.policy_gradient import PolicyGradient
    from gradus_learner.train import micro_batch
    from gradus_learner.train.rollouts import train_on_rollouts
    from gradus_learner.train.trainer import Trainer

    if options.logits == "whole":
        micro_batch.token_scores = whole_scores
    torch.set_num_threads(options.threads)
    generator = np.random.default_rng(1)
    if options.what == "speed":
        policy = load_policy(options.model)
        lengths = np.clip(generator.lognormal(5.5, 0.5, SAMPLES), 100, 640).astype(int).tolist()
    else:
        policy = wide_policy(options)
        lengths = [options.tokens]
    samples = [
        sample_of(generator, length, policy.config.vocab_size, 1.0 - index % 3) for index, length in enumerate(lengths)
    ]
    settings = json.loads(options.trainer)
    trainer = Trainer(policy, options.micro_batch_tokens, **settings)
    objective = PolicyGradient(learning_rate=1e-6, entropy_coefficient=options.entropy)
    before = peak_mebibytes()
    seconds: list[float] = []
    processor: list[float] = []
    metrics: dict[str, float] = {}
    for _ in range(options.steps):
        started, used = time.perf_counter(), time.process_time()
        metrics = train_on_rollouts(trainer, samples, objective, 1.0)
        seconds.append(time.perf_counter() - started)
        processor.append(time.process_time() - used)
    digest = hashlib.sha256()
    for parameter in policy.parameters():
        digest.update(parameter.detach().numpy().tobytes())
    return {
        "secondsMedian": round(statistics.median(seconds), 3),
        "processorSecondsMedian": round(statistics.median(processor), 3),
        "processorSecondsLeast": round(min(processor), 3),
        "peakMebibytes": round(peak_mebibytes()),
        "beforeTheStepMebibytes": round(before),
        "tokens": metrics["tokens"],
        "paddedTokens": padded_tokens(samples, options.micro_batch_tokens),
        "modelTokens": metrics["model_tokens"],
        "gradNorm": metrics["grad_norm"],
        "weightsSha256": digest.hexdigest()[:16],
    }


def families() -> list[dict[str, Any]]:
    """Largest distance of logits from transformers', and the largest logit."""
    import torch
    from tiny_families import FAMILIES, VOCABULARY, policy_of
    from transformers import AutoModelForCausalLM

    from gradus_learner.models.load import save_weights
    from gradus_learner.models.rope import Rope

    ropes = [
        Rope(theta=1e6),
        Rope("linear", factor=4.0),
        Rope("llama3", theta=5e5, factor=8.0, original_positions=64),
        Rope("yarn", theta=1e6, factor=3.2, original_positions=40, attention_factor=1.1163150809805681),
    ]
    ids = torch.randint(0, VOCABULARY, (4, 200), generator=torch.Generator().manual_seed(1))
    found: list[dict[str, Any]] = []
    for family in FAMILIES:
        for rope in ropes:
            policy = policy_of(family, rope)
            with tempfile.TemporaryDirectory() as directory, torch.no_grad():
                save_weights(policy, directory)
                theirs = AutoModelForCausalLM.from_pretrained(directory).eval()(input_ids=ids).logits
                ours = policy(ids)
            distance, largest = float((ours - theirs).abs().max()), float(theirs.abs().max())
            found.append(
                {"family": family.model_type, "rope": rope.rope_type, "distance": distance, "largest": largest}
            )
    return found


def results() -> dict[str, Any]:
    """The page's; a measurement that ends with an error ends all."""
    import transformers

    found: list[dict[str, Any]] = []
    for name, argv in STEPS.items():
        print(f"bench: {name}", file=sys.stderr)
        load = round(os.getloadavg()[0], 2)
        found.append({"name": name, "load": load, **measured_apart(argv)})
    print("bench: the demo's lengths", file=sys.stderr)
    return {
        "machine": {**machine(), "transformers": transformers.__version__},
        "steps": found,
        "demo": measured_apart(["speed"]),
        "families": families(),
    }


def measured_apart(argv: list[str]) -> dict[str, Any]:
    command = [sys.executable, __file__, *argv, "--here"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(done.stderr, file=sys.stderr)
        raise SystemExit(f"bench: the measured process ended with {done.returncode}: {' '.join(argv)}")
    return json.loads(done.stdout)


def parsed(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", default="results", choices=["results", "speed", "memory", "families"])
    parser.add_argument("--model", default="policies/nano", help="of speed: a model directory")
    parser.add_argument("--tokens", type=int, default=40_960, help="of memory: length of its sequence")
    parser.add_argument("--vocabulary", type=int, default=16_384)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--micro-batch-tokens", type=int, default=16_384)
    parser.add_argument("--entropy", type=float, default=0.0, help="coefficient of the entropy bonus")
    parser.add_argument("--steps", type=int, default=0, help="0: 10 of speed, 1 of memory")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--trainer", default="{}", help="further settings of the trainer, a JSON object")
    parser.add_argument("--logits", choices=["parts", "whole"], default="parts", help="whole: as it was before")
    parser.add_argument("--repeats", type=int, default=1, help="processes, one after another")
    parser.add_argument("--here", action="store_true", help="measure in this process")
    options = parser.parse_args(argv)
    options.steps = options.steps or (10 if options.what == "speed" else 1)
    return options


def main(argv: list[str]) -> int:
    # Tiny models of each family are made in one place.
    sys.path.append(str(Path(__file__).parent.parent / "services/learner/tests"))
    options = parsed(argv)
    if options.what == "results":
        print(json.dumps(results(), indent=2))
        return 0
    if options.what == "families":
        print(json.dumps({"machine": machine(), "families": families()}, indent=2))
        return 0
    if options.here:
        print(json.dumps(measure(options)))
        return 0
    found = [measured_apart(argv) for _ in range(options.repeats)]
    kept = {name: value for name, value in vars(options).items() if name not in ("here", "repeats")}
    print(json.dumps({"machine": machine(), "options": kept, "measured": found}, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
