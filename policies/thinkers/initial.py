"""policies/nano with two more tokens, `<think>` and `</think>`, whose embeddings are drawn at the size of the others.

python initial.py --out DIR
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer

NANO = Path(__file__).parent.parent / "nano"
EMBEDDING = "model.embed_tokens.weight"
THINK_TOKENS = ("<think>", "</think>")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the model directory to make")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer.from_file(str(NANO / "tokenizer.json"))
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in THINK_TOKENS])
    tokenizer.save(str(out / "tokenizer.json"))
    weights = load_file(NANO / "model.safetensors")
    known = weights[EMBEDDING]
    drawn = torch.randn(len(THINK_TOKENS), known.shape[1], generator=torch.Generator().manual_seed(options.seed))
    # Around the mean of what is known, so that the tied head finds the new tokens no likelier than others.
    weights[EMBEDDING] = torch.cat([known, known.mean(0) + drawn * known.std(0)])
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((NANO / "config.json").read_text(encoding="utf-8"))
    config["vocab_size"] = tokenizer.get_vocab_size()
    (out / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    (out / "chat_template.jinja").write_bytes((Path(__file__).parent / "chat_template.jinja").read_bytes())


if __name__ == "__main__":
    main()
