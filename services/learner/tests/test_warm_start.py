from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from gradus_learner import warm_start
from gradus_learner.batch import epoch_batches, micro_batches
from gradus_learner.config import ConfigError
from gradus_learner.demonstrations import ENVIRONMENT, MODEL, PROMPT, TEXT, DemonstrationError, load_token_set
from gradus_learner.model import load_policy
from gradus_learner.tokenizer import train_tokenizer
from gradus_learner.warm_start import WarmStart, main, make_batch, run, token_logits
from gradus_learner.warm_start_config import ModelShape, WarmStartConfig, load_warm_start_config

NAMES = ["Halvard", "Brontley", "Ostermere", "Velthania", "Kestrel", "Marwick"]
SHAPE = ModelShape(
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    head_dim=16,
)


def demonstration(rng: random.Random) -> dict[str, object]:
    name = rng.choice(NAMES)
    return {
        "segments": [
            {"kind": "prompt", "text": f"Who is {name}?"},
            {"kind": "model", "text": '<tool>{"name": "websearch", "args": {"query": "' + name + '"}}</tool>'},
            {"kind": "environment", "text": f"<result> {name} lives in {rng.choice(NAMES)}. </result>"},
            {"kind": "model", "text": f"<answer>{name}</answer>"},
        ]
    }


@pytest.fixture
def files(tmp_path: Path) -> Path:
    rng = random.Random(1)
    rows = [demonstration(rng) for _ in range(300)]
    (tmp_path / "demos.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    texts = [segment["text"] for row in rows for segment in row["segments"]]  # pyright: ignore
    train_tokenizer(texts, texts, 420).save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def config(files: Path, out: str = "out", **more: object) -> WarmStartConfig:
    values: dict[str, object] = {
        "tokenizer": files / "tokenizer.json",
        "data": [files / "demos.jsonl"],
        "out": files / out,
        "model": SHAPE,
        "steps": 12,
        "warmup_steps": 2,
        "batch_tokens": 600,
        "held_out_sequences": 30,
        "save_every_steps": 6,
        "evaluate_every_steps": 100,
        "threads": 1,
        **more,
    }
    return WarmStartConfig.model_validate(values)


def test_a_policy_learns_the_format_and_its_directory_loads(files: Path) -> None:
    result = run(config(files, steps=60, learning_rate=5e-3))
    assert result["model_accuracy"] > 0.8
    assert result["model_loss"] < 1.2
    policy = load_policy(files / "out")
    assert policy.config.vocab_size == Tokenizer.from_file(str(files / "out" / "tokenizer.json")).get_vocab_size()
    assert (files / "out" / "warm-start.jsonl").read_text().count("\n") >= 3


def test_an_interrupted_run_ends_at_the_same_weights(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(config(files, "whole"))
    original = WarmStart.update

    def stop_at_eight(self: WarmStart, indices: list[int]) -> tuple[float, float, int]:
        if self.step == 8:
            raise KeyboardInterrupt
        return original(self, indices)

    monkeypatch.setattr(warm_start.WarmStart, "update", stop_at_eight)
    with pytest.raises(KeyboardInterrupt):
        run(config(files, "parts"))
    monkeypatch.setattr(warm_start.WarmStart, "update", original)
    run(config(files, "parts"))
    left, right = (load_file(str(files / name / "model.safetensors")) for name in ("whole", "parts"))
    assert all(torch.equal(left[name], right[name]) for name in left)


def test_micro_batches_do_not_change_an_update(files: Path) -> None:
    jobs = [WarmStart(config(files, "a")), WarmStart(config(files, "b", micro_batch_tokens=60))]
    losses = [job.update(next(job.batches()))[0] for job in jobs]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    for left, right in zip(jobs[0].policy.parameters(), jobs[1].policy.parameters(), strict=True):
        assert left.grad is not None
        assert right.grad is not None
        assert torch.allclose(left.grad, right.grad, atol=1e-6)


def test_the_loss_is_over_next_tokens_weighted_by_who_wrote_them(files: Path) -> None:
    job = WarmStart(config(files))
    weights = np.array([0.0, 1.0, 0.25, 1.0], np.float32)
    batch = make_batch(job.train, [3, 4], weights, "cpu")
    flat = batch.ids_BT.reshape(-1)
    assert torch.equal(flat[batch.positions_N + 1], batch.targets_N)
    assert set(batch.kinds_N.tolist()) == {MODEL, ENVIRONMENT}
    assert torch.equal(batch.weights_N, torch.where(batch.kinds_N == MODEL, 1.0, 0.25))
    whole = job.policy(batch.ids_BT).reshape(-1, job.policy.config.vocab_size)[batch.positions_N]
    assert torch.allclose(token_logits(job.policy, batch), whole, atol=1e-5)


def test_held_out_sequences_are_never_trained_on(files: Path) -> None:
    job = WarmStart(config(files))
    assert len(job.held_out_indices) == 30
    assert not set(job.held_out_indices.tolist()) & set(job.train_indices.tolist())


def test_tokens_are_those_of_the_segments_one_by_one_and_come_from_the_cache_the_second_time(files: Path) -> None:
    tokenizer = Tokenizer.from_file(str(files / "tokenizer.json"))
    cache = files / "cache"
    made = load_token_set([files / "demos.jsonl"], files / "tokenizer.json", 512, cache)
    row = json.loads((files / "demos.jsonl").read_text().splitlines()[7])
    start, end = made.offsets[7], made.offsets[8]
    pieces = [tokenizer.encode(segment["text"]).ids for segment in row["segments"]]
    assert made.ids[start:end].tolist() == [token for piece in pieces for token in piece]
    kinds = [PROMPT, MODEL, ENVIRONMENT, MODEL]
    assert made.kinds[start:end].tolist() == [kind for kind, piece in zip(kinds, pieces, strict=True) for _ in piece]
    (cached,) = cache.iterdir()
    before = cached.stat().st_mtime_ns
    again = load_token_set([files / "demos.jsonl"], files / "tokenizer.json", 512, cache)
    assert np.array_equal(again.ids, made.ids)
    assert cached.stat().st_mtime_ns == before


def test_plain_text_is_cut_at_the_limit_and_long_demonstrations_are_left_out(files: Path) -> None:
    (files / "text.jsonl").write_text(json.dumps({"title": "Halvard", "text": "Halvard lives in Ostermere. " * 20}))
    text = load_token_set([files / "text.jsonl"], files / "tokenizer.json", 30, None)
    assert set(text.kinds.tolist()) == {TEXT}
    assert text.lengths.max() == 30
    long = demonstration(random.Random(1))
    (files / "mixed.jsonl").write_text("\n".join([json.dumps({"text": "Halvard"}), json.dumps(long)]))
    mixed = load_token_set([files / "mixed.jsonl"], files / "tokenizer.json", 10, None)
    assert (len(mixed), mixed.too_long) == (1, 1)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "bad.jsonl:2: not JSON"),
        ("{}", "bad.jsonl:2: field segments:"),
        ('{"segments": [{"kind": "tool", "text": "x"}]}', "bad.jsonl:2: field segments[0].kind: 'tool' is not one of"),
        ('{"segments": [{"kind": "model"}]}', "bad.jsonl:2: field segments[0].text: must be text"),
    ],
)
def test_a_malformed_row_is_named_by_file_line_and_field(files: Path, line: str, message: str) -> None:
    (files / "bad.jsonl").write_text('{"text": "Halvard"}\n' + line)
    with pytest.raises(DemonstrationError) as raised:
        load_token_set([files / "bad.jsonl"], files / "tokenizer.json", 99, None)
    assert message in str(raised.value)


def test_batches_stay_in_budget_hold_everything_once_and_pad_little() -> None:
    lengths = np.random.default_rng(0).integers(40, 400, 5000).astype(np.int64)
    batches = epoch_batches(lengths, 8192, seed=3, epoch=1)
    assert sorted(index for batch in batches for index in batch) == list(range(5000))
    padded = sum(len(batch) * int(lengths[batch].max()) for batch in batches)
    assert max(len(batch) * int(lengths[batch].max()) for batch in batches) <= 8192
    assert lengths.sum() / padded > 0.95
    assert batches == epoch_batches(lengths, 8192, seed=3, epoch=1)
    assert batches != epoch_batches(lengths, 8192, seed=3, epoch=2)
    assert [5] in micro_batches([3, 3, 3, 3, 3, 50], 10)


def test_the_config_is_read_from_a_file_and_flags_win(files: Path) -> None:
    (files / "warm-start.yaml").write_text(
        "tokenizer: tokenizer.json\ndata: demos.jsonl\nout: made\nsteps: 50\nwarmup_steps: 5\n"
        "model: {hidden_size: 64}\n"
    )
    read = load_warm_start_config(
        ["--config", str(files / "warm-start.yaml"), "--steps", "70", "--model.head-dim=8", "--learning-rate", "1e-3"]
    )
    assert (read.steps, read.warmup_steps, read.learning_rate) == (70, 5, 1e-3)
    assert (read.model.hidden_size, read.model.head_dim) == (64, 8)
    assert read.data == [files / "demos.jsonl"]
    assert read.out == files / "made"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--step", "5"], "unknown argument --step; did you mean --steps"),
        (["--tokenizer", "t", "--data", "d"], "out is missing"),
        (["--tokenizer", "t", "--data", "d", "--out", "o", "--steps", "0"], "steps is 0"),
        (["--tokenizer", "t", "--data", "d", "--out", "o", "--steps", "5"], "warmup_steps 100 must be less than"),
    ],
)
def test_bad_configuration_is_named(argv: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_warm_start_config(argv)
    assert message in str(raised.value)


def test_an_unknown_key_in_the_file_gets_a_suggestion(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "w.yaml").write_text("tokenizer: t\ndata: [d]\nout: o\nlerning_rate: 1\nmodel: {hiden_size: 2}\n")
    assert main(["--config", str(files / "w.yaml")]) == 2
    error = capsys.readouterr().err
    assert "unknown key lerning_rate; did you mean learning_rate" in error
    assert "unknown key model.hiden_size; did you mean hidden_size" in error
