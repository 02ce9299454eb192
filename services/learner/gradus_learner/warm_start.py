"""Supervised warm start: next-token training on demonstrations, or on plain text.

`python -m gradus_learner.warm_start --config warm-start.yaml`. Resumable: started again it goes on from the newest
checkpoint in `out/checkpoints`, with the batches that the interrupted run would have seen.

Shapes: B sequences, T tokens, D hidden, N tokens that carry loss.
"""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from gradus_learner.batch import cut_by_budget, epoch_batches
from gradus_learner.checkpoint import newest_checkpoint, optimizer_tensors, restore_optimizer, write_checkpoint
from gradus_learner.config import ConfigError
from gradus_learner.demonstrations import ENVIRONMENT, MODEL, PROMPT, TEXT, DemonstrationError, TokenSet, load_token_set
from gradus_learner.induction_init import wire_induction
from gradus_learner.model import (
    ModelConfig,
    ModelError,
    Policy,
    load_policy,
    load_weights,
    parameter_count,
    save_weights,
    weights_of,
)
from gradus_learner.tokenizer import END_TOKEN
from gradus_learner.warm_start_config import WarmStartConfig, load_warm_start_config


@dataclass(frozen=True)
class Batch:
    ids_BT: Tensor
    # Flat positions whose next token carries loss, that token, its weight and who wrote it.
    positions_N: Tensor
    targets_N: Tensor
    weights_N: Tensor
    kinds_N: Tensor


def make_batch(data: TokenSet, indices: Sequence[int], weight_by_kind: NDArray[np.float32], device: str) -> Batch:
    lengths = data.lengths[list(indices)]
    longest = int(lengths.max())
    ids = np.zeros((len(indices), longest), np.int64)
    kinds = np.zeros((len(indices), longest), np.uint8)
    weights = np.zeros((len(indices), longest), np.float32)
    for row, index in enumerate(indices):
        start, end = int(data.offsets[index]), int(data.offsets[index + 1])
        ids[row, : end - start] = data.ids[start:end]
        kinds[row, : end - start] = data.kinds[start:end]
        weights[row, 1 : end - start] = weight_by_kind[data.kinds[start + 1 : end]]
    flat = np.flatnonzero(weights.reshape(-1))
    arrays = (ids, flat - 1, ids.reshape(-1)[flat], weights.reshape(-1)[flat], kinds.reshape(-1)[flat])
    return Batch(*(torch.from_numpy(array).to(device) for array in arrays))


def token_logits(policy: Policy, batch: Batch) -> Tensor:
    hidden_BTD = policy.hidden(batch.ids_BT)
    # Only the positions that carry loss pay for the vocabulary.
    hidden_ND = hidden_BTD.reshape(-1, hidden_BTD.shape[-1]).index_select(0, batch.positions_N)
    return policy.logits(hidden_ND).float()


def learning_rate(config: WarmStartConfig, step: int) -> float:
    """Linear warm-up, then a cosine down to a share of the peak; `step` counts from 0."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    share = config.final_learning_rate_share
    return config.learning_rate * (share + (1 - share) * 0.5 * (1 + math.cos(math.pi * progress)))


class WarmStart:
    def __init__(self, config: WarmStartConfig) -> None:
        self.config = config
        cache = config.out / "cache"
        data = load_token_set(config.data, config.tokenizer, config.max_tokens, cache)
        if config.held_out:
            self.train, self.train_indices = data, np.arange(len(data))
            self.held_out = load_token_set(config.held_out, config.tokenizer, config.max_tokens, cache)
            self.held_out_indices = np.arange(len(self.held_out))
        else:
            count = min(config.held_out_sequences, len(data) // 10)
            order = np.random.default_rng((config.seed, 1)).permutation(len(data))
            self.train = self.held_out = data
            self.train_indices, self.held_out_indices = np.sort(order[count:]), np.sort(order[:count])
        self.too_long = data.too_long
        self.weight_by_kind = np.zeros(4, np.float32)
        self.weight_by_kind[[PROMPT, ENVIRONMENT]] = config.environment_loss_weight
        self.weight_by_kind[MODEL], self.weight_by_kind[TEXT] = 1.0, config.text_loss_weight
        self.policy = self._make_policy()
        self.optimizer = make_optimizer(self.policy, config)
        self.step = 0

    def _make_policy(self) -> Policy:
        config = self.config
        if config.init is not None:
            return load_policy(config.init, config.device)
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(config.tokenizer))
        end = tokenizer.token_to_id(END_TOKEN)
        if end is None:
            raise ConfigError(f"{config.tokenizer} has no {END_TOKEN} token; make it with gradus_learner.tokenizer")
        shape = ModelConfig(vocab_size=tokenizer.get_vocab_size(), eos_token_id=end, **config.model.model_dump())
        policy = Policy(shape)
        generator = torch.Generator().manual_seed(config.seed)
        policy.initialise(generator)
        if config.induction_init:
            wire_induction(policy, generator)
        return policy.to(config.device)

    def resume(self) -> None:
        checkpoint = newest_checkpoint(self.config.out / "checkpoints")
        if checkpoint is None:
            return
        load_weights(self.policy, checkpoint.directory)
        restore_optimizer(self.policy, self.optimizer, checkpoint.directory)
        self.step = checkpoint.step

    def batches(self) -> Iterator[list[int]]:
        """Batches from the current step on; each step has the same batch whatever was interrupted."""
        epoch, passed = 0, 0
        lengths = self.train.lengths[self.train_indices]
        while True:
            epoch_list = epoch_batches(lengths, self.config.batch_tokens, self.config.seed, epoch)
            skip = max(0, self.step - passed)
            if skip < len(epoch_list):
                for batch in epoch_list[skip:]:
                    yield self.train_indices[batch].tolist()
            passed += len(epoch_list)
            epoch += 1

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        if self.config.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self.config.device.split(":")[0], torch.bfloat16)

    def update(self, indices: list[int]) -> tuple[float, float, int]:
        """One optimiser step. Weighted mean loss, gradient norm, tokens."""
        config = self.config
        rate = learning_rate(config, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        parts = cut_by_budget(indices, self.train.lengths, config.micro_batch_tokens)
        made = [make_batch(self.train, part, self.weight_by_kind, config.device) for part in parts]
        # Counted over the whole batch, so that micro-batches do not change the loss.
        total = sum(float(batch.weights_N.sum()) for batch in made)
        self.optimizer.zero_grad(set_to_none=True)
        loss_sum = 0.0
        for batch in made:
            with self.autocast():
                logits_NV = token_logits(self.policy, batch)
            losses_N = F.cross_entropy(logits_NV, batch.targets_N, reduction="none")
            loss = (losses_N * batch.weights_N).sum() / total
            loss.backward()
            loss_sum += float(loss.detach())
        norm = float(torch.nn.utils.clip_grad_norm_(self.policy.parameters(), config.max_grad_norm))
        if not math.isfinite(norm):
            raise ConfigError(f"the loss is not finite at step {self.step}; lower learning_rate {config.learning_rate}")
        self.optimizer.step()
        self.step += 1
        return loss_sum, norm, int(self.train.lengths[indices].sum())

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        if len(self.held_out_indices) == 0:
            return {}
        order = self.held_out_indices[np.argsort(self.held_out.lengths[self.held_out_indices], kind="stable")]
        every = np.ones(4, np.float32)
        sums = np.zeros((4, 3))
        for part in cut_by_budget(order.tolist(), self.held_out.lengths, self.config.micro_batch_tokens):
            batch = make_batch(self.held_out, part, every, self.config.device)
            with self.autocast():
                logits_NV = token_logits(self.policy, batch)
            losses_N = F.cross_entropy(logits_NV, batch.targets_N, reduction="none")
            right_N = logits_NV.argmax(-1) == batch.targets_N
            kinds_N = batch.kinds_N.long()
            for column, values in enumerate((losses_N, right_N.float(), torch.ones_like(losses_N))):
                sums[:, column] += torch.zeros(4, device=losses_N.device).index_add(0, kinds_N, values).cpu().numpy()
        names = {MODEL: "model", ENVIRONMENT: "environment", TEXT: "text"}
        result: dict[str, float] = {}
        for kind, name in names.items():
            if sums[kind, 2] > 0:
                result[f"{name}_loss"] = float(sums[kind, 0] / sums[kind, 2])
                result[f"{name}_accuracy"] = float(sums[kind, 1] / sums[kind, 2])
        return result

    def save(self) -> None:
        config = self.config
        save_weights(self.policy, config.out)
        copy = config.out / "tokenizer.json"
        if not copy.is_file() or not config.tokenizer.samefile(copy):
            shutil.copyfile(config.tokenizer, copy)
        tensors = {"model": weights_of(self.policy), "optimizer": optimizer_tensors(self.policy, self.optimizer)}
        write_checkpoint(config.out / "checkpoints", self.step, tensors, {}, keep=1)


def make_optimizer(policy: Policy, config: WarmStartConfig) -> torch.optim.AdamW:
    """Weight decay on matrices only."""
    matrices = [parameter for parameter in policy.parameters() if parameter.dim() > 1]
    vectors = [parameter for parameter in policy.parameters() if parameter.dim() == 1]
    groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(config.beta1, config.beta2), fused=True)


def run(config: WarmStartConfig) -> dict[str, float]:
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    config.out.mkdir(parents=True, exist_ok=True)
    job = WarmStart(config)
    if config.resume:
        job.resume()
    report = {
        "parameters": parameter_count(job.policy),
        "sequences": len(job.train_indices),
        "tokens": int(job.train.lengths[job.train_indices].sum()),
        "heldOut": len(job.held_out_indices),
        "tooLong": job.too_long,
        "step": job.step,
    }
    print(json.dumps(report), file=sys.stderr, flush=True)
    started, first_step, seen, window = time.monotonic(), job.step, 0, (time.monotonic(), 0)
    result: dict[str, float] = {}
    with (config.out / "warm-start.jsonl").open("a", encoding="utf-8") as metrics:
        batches = job.batches()
        while job.step < config.steps:
            loss, norm, tokens = job.update(next(batches))
            seen += tokens
            last = job.step == config.steps
            if job.step % config.log_every_steps == 0 or last:
                now = time.monotonic()
                rate = (seen - window[1]) / max(now - window[0], 1e-9)
                eta = (now - started) / (job.step - first_step) * (config.steps - job.step)
                window = (now, seen)
                line = {"step": job.step, "loss": loss, "grad_norm": norm, "tokens_per_second": round(rate)}
                print(json.dumps(line), file=metrics, flush=True)
                print(
                    f"step {job.step}/{config.steps}  loss {loss:.4f}  norm {norm:.2f}  "
                    f"lr {learning_rate(config, job.step - 1):.2e}  {rate:,.0f} tokens/s  {eta / 60:.1f} min left",
                    file=sys.stderr,
                    flush=True,
                )
            if job.step % config.evaluate_every_steps == 0 or last:
                result = job.evaluate()
                print(json.dumps({"step": job.step, **result}), file=metrics, flush=True)
                print(f"held out at {job.step}: {json.dumps(result)}", file=sys.stderr, flush=True)
            if job.step % config.save_every_steps == 0 or last:
                job.save()
    return result


def main(argv: Sequence[str]) -> int:
    try:
        result = run(load_warm_start_config(argv))
    except (ConfigError, DemonstrationError, ModelError) as error:
        print(f"warm start: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("warm start: stopped; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
