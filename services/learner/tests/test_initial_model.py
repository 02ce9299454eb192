"""Model directories with fresh weights."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_learner import CONFIG

from gradus_learner.initial.model import main, make_model
from gradus_learner.models.load import load_policy


def source(directory: Path) -> Path:
    directory.mkdir()
    (directory / "config.json").write_text(CONFIG.to_json(), encoding="utf-8")
    (directory / "tokenizer.json").write_text("{}", encoding="utf-8")
    return directory


def test_p8_the_same_seed_gives_the_same_weights_in_a_directory_that_loads(tmp_path: Path) -> None:
    given = source(tmp_path / "given")
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make_model(given, tmp_path / name, seed, copying=False)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in "abc"]
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]
    assert load_policy(tmp_path / "a", "cpu").config == CONFIG
    assert (tmp_path / "a" / "tokenizer.json").read_text(encoding="utf-8") == "{}"


def test_a_config_that_is_none_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = source(tmp_path / "given")
    (given / "config.json").write_text('{"vocab_size": -1}', encoding="utf-8")
    assert main(["--from", str(given), "--out", str(tmp_path / "out"), "--seed", "1"]) == 2
    assert "config.json: missing hidden_size" in capsys.readouterr().err
