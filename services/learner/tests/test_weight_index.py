"""Models whose weights lie in several files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_learner import flip_a_bit, model_directory

from gradus_learner.engine.build import checked_digest, read_weights
from gradus_learner.models.config import ModelError
from gradus_learner.models.load import load_policy, weights_of
from gradus_learner.models.registry import read_model
from gradus_learner.models.weight_index import INDEX_NAME
from gradus_learner.train.run_directory import model_digests

SHARDS = tuple(f"model-0000{number}-of-00003.safetensors" for number in (1, 2, 3))
NORM = "model.norm.weight"


def split(directory: Path) -> Path:
    """The same model in three files, as the published one lies on the hub."""
    whole = directory / "model.safetensors"
    tensors = load_file(whole)
    names = sorted(tensors)
    places = {name: SHARDS[index * len(SHARDS) // len(names)] for index, name in enumerate(names)}
    for shard in SHARDS:
        save_file({name: tensors[name] for name in names if places[name] == shard}, directory / shard)
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    write_index(directory, places, {"total_size": size})
    whole.unlink()
    return directory


def write_index(directory: Path, places: object, metadata: object = None) -> None:
    (directory / INDEX_NAME).write_text(json.dumps({"metadata": metadata, "weight_map": places}))


def index_of(directory: Path) -> dict[str, str]:
    return json.loads((directory / INDEX_NAME).read_text())["weight_map"]


def test_shards_are_the_model_that_one_file_is(tmp_path: Path) -> None:
    whole = weights_of(load_policy(model_directory(tmp_path / "whole")))
    sharded = weights_of(load_policy(split(model_directory(tmp_path / "sharded"))))
    assert whole.keys() == sharded.keys()
    assert all(torch.equal(whole[name], sharded[name]) for name in whole)


def test_an_engine_reads_shards_and_its_digest_covers_every_one(tmp_path: Path) -> None:
    directory = split(model_directory(tmp_path))
    _, parameters, digest = read_weights(directory, read_model(directory), 64, "cpu")
    assert parameters == sum(tensor.numel() for tensor in weights_of(load_policy(directory)).values())
    assert digest == checked_digest(directory, digest)
    assert set(SHARDS) < model_digests(directory).keys()
    digests = {digest}
    for shard in SHARDS:
        flip_a_bit(directory / shard)
        digests.add(checked_digest(directory, ""))
        with pytest.raises(ModelError, match=f"expected weights with digest {digest}"):
            checked_digest(directory, digest)
    assert len(digests) == 4


def lose(directory: Path) -> None:
    (directory / SHARDS[1]).unlink()


def lose_all(directory: Path) -> None:
    for shard in SHARDS:
        (directory / shard).unlink()


def add(directory: Path) -> None:
    save_file({"other": torch.ones(1)}, directory / "model-00004-of-00003.safetensors")


def add_whole(directory: Path) -> None:
    save_file({NORM: torch.ones(16)}, directory / "model.safetensors")


def move(directory: Path) -> None:
    write_index(directory, {**index_of(directory), NORM: SHARDS[0]})


def name_more(directory: Path) -> None:
    write_index(directory, {**index_of(directory), "model.extra.weight": SHARDS[0]})


def name_less(directory: Path) -> None:
    write_index(directory, {name: file for name, file in index_of(directory).items() if name != NORM})


def name_outside(directory: Path) -> None:
    write_index(directory, {**index_of(directory), NORM: "../model-1.safetensors"})


def name_none(directory: Path) -> None:
    write_index(directory, {})


def cut(directory: Path) -> None:
    (directory / INDEX_NAME).write_text('{"weight_map": {"a"')


def grow(directory: Path) -> None:
    (directory / INDEX_NAME).write_text(" " * (33 * 2**20))


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lose, f"{SHARDS[1]} is missing; {INDEX_NAME} names it"),
        (lose_all, f"{SHARDS[0]} is missing; {INDEX_NAME} names it; {SHARDS[1]} is missing"),
        (add, f"model-00004-of-00003.safetensors is not named by {INDEX_NAME}; move it away"),
        (add_whole, f"model.safetensors is not named by {INDEX_NAME}; move it away"),
        (move, f"{NORM} is in {SHARDS[2]}, {INDEX_NAME} puts it in {SHARDS[0]}"),
        (name_more, f"model.extra.weight is not in {SHARDS[0]}"),
        (name_less, f"{NORM} of {SHARDS[2]} is not in {INDEX_NAME}"),
        (name_outside, "weight_map names '../model-1.safetensors'; files must be called model*.safetensors"),
        (name_none, "has no weight_map"),
        (cut, "not JSON"),
        (grow, "larger than 33554432 bytes"),
    ],
)
def test_shards_that_are_not_those_of_the_index_are_refused_by_name(
    tmp_path: Path, damage: Callable[[Path], None], text: str
) -> None:
    directory = split(model_directory(tmp_path))
    damage(directory)
    with pytest.raises(ModelError) as raised:
        load_policy(directory)
    assert str(directory) in str(raised.value)
    assert text in str(raised.value)
