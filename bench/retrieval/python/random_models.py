"""Writes an encoder and a cross-encoder with random weights: how fast they are does not depend on the weights.

    python random_models.py CORPUS OUT tiny|base

base: the shapes of e5-base-v2 and ms-marco-MiniLM-L12-v2. tiny: one layer that reads 64 tokens, so that everything else
is measured. The vocabulary is trained on the corpus and has the size of BERT's, so texts have about as many tokens.

OUT/encoder, OUT/cross-encoder: model directories as on the hub.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertForSequenceClassification, BertModel, PreTrainedTokenizerFast

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY = 30_522
SEED = 17


@dataclass(frozen=True)
class Shape:
    hidden: int
    layers: int
    heads: int
    intermediate: int
    positions: int


SHAPES = {
    "base": {"encoder": Shape(768, 12, 12, 3072, 512), "cross-encoder": Shape(384, 12, 12, 1536, 512)},
    "tiny": {"encoder": Shape(384, 1, 6, 384, 64), "cross-encoder": Shape(64, 1, 2, 64, 64)},
}


def train_tokenizer(corpus: str) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=VOCABULARY, special_tokens=SPECIAL, show_progress=False)
    with open(corpus, encoding="utf-8") as lines:
        texts = (json.loads(line)["contents"] for line in lines)
        tokenizer.train_from_iterator(texts, trainer)
    ids = tokenizer.get_vocab()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


class Wrapped(torch.nn.Module):
    """A model whose only result is a tensor, its inputs in a fixed order."""

    def __init__(self, model: torch.nn.Module, output: str) -> None:
        super().__init__()
        self.model = model
        self.output = output

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        return self.model(input_ids=ids, attention_mask=mask, token_type_ids=types)[self.output]


def export(model: torch.nn.Module, path: Path, output: str, axes: dict[int, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    example = torch.ones(2, 8, dtype=torch.long)
    names = ["input_ids", "attention_mask", "token_type_ids"]
    dynamic = {name: {0: "batch", 1: "tokens"} for name in names}
    torch.onnx.export(
        Wrapped(model, output).eval(),
        (example, example, torch.zeros_like(example)),
        str(path),
        input_names=names,
        output_names=[output],
        dynamic_axes={**dynamic, output: axes},
        opset_version=17,
        dynamo=False,
    )


def config_of(shape: Shape, vocabulary: int) -> BertConfig:
    return BertConfig(
        vocab_size=vocabulary,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.intermediate,
        max_position_embeddings=shape.positions,
        attn_implementation="eager",
        pad_token_id=0,
        num_labels=1,
    )


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1))


@torch.no_grad()
def main(corpus: str, out: Path, shapes: dict[str, Shape]) -> None:
    warnings.filterwarnings("ignore")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    tokenizer = train_tokenizer(corpus)
    torch.manual_seed(SEED)
    for name, shape in shapes.items():
        config = config_of(shape, len(tokenizer))
        path = out / name / "onnx" / "model.onnx"
        if name == "encoder":
            encoder = BertModel(config, add_pooling_layer=False).eval()
            export(encoder, path, "last_hidden_state", {0: "batch", 1: "tokens"})
        else:
            export(BertForSequenceClassification(config).eval(), path, "logits", {0: "batch"})
        tokenizer.model_max_length = shape.positions
        tokenizer.save_pretrained(out / name)
        write_json(out / name / "config.json", config.to_dict())
    # As e5-base-v2 is used here: 256 tokens, mean pooling, normalised, prefixes.
    write_json(
        out / "encoder" / "modules.json",
        [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
        ],
    )
    pooling = {"word_embedding_dimension": shapes["encoder"].hidden, "pooling_mode_mean_tokens": True}
    write_json(out / "encoder" / "1_Pooling" / "config.json", pooling)
    write_json(
        out / "encoder" / "sentence_bert_config.json",
        {"max_seq_length": min(256, shapes["encoder"].positions), "do_lower_case": False},
    )
    prompts = {"query": "query: ", "document": "passage: "}
    write_json(out / "encoder" / "config_sentence_transformers.json", {"prompts": prompts, "default_prompt_name": None})


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), SHAPES[sys.argv[3]])
