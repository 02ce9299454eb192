from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from gradus_learner.initial.tokenizer import END_TOKEN, FORMAT_TOKENS, TokenizerError, main, train_tokenizer

ROOT = Path(__file__).resolve().parents[3]
CORPUS = [
    "Halvard Brontley is a painter. Halvard Brontley was born in Ostermere in 1987.\nOstermere lies in Velthania.",
    'The company "Kestrel Works" (Velthania\'s oldest) was founded by Halvard Brontley; see also co-op.',
]
TEXTS = [
    *CORPUS,
    'Question: Where was Halvard born?\n<tool>{"name": "websearch", "args": {"query": "Halvard Brontley"}}</tool>',
    "<result> [1234] Halvard Brontley: Halvard Brontley was born in\n[5678] Ostermere: a town </result>",
    '<tool>{"name": "scrape", "args": {"id": "1234"}}</tool><answer>Ostermere</answer><|end|>',
]


def trained() -> Tokenizer:
    return train_tokenizer(TEXTS, CORPUS, 600)


def test_every_word_of_the_corpus_is_one_token_wherever_it_stands() -> None:
    tokenizer = trained()
    for word in ("Halvard", "Brontley", "Ostermere", "Velthania", "painter", "Kestrel"):
        (plain,) = tokenizer.encode(f"x {word}").ids[-1:]
        assert tokenizer.id_to_token(plain) == f"Ġ{word}"
        assert tokenizer.encode(word).ids == [plain]
        assert tokenizer.encode(f"<answer>{word}</answer>").ids[1:-1] == [plain]
        assert tokenizer.encode(f'": "{word}"}}}}').ids[1:-1] == [plain]
        assert tokenizer.encode(f"\n{word}").ids[-1] == plain


def test_an_id_has_the_same_tokens_in_a_result_and_in_a_call() -> None:
    tokenizer = trained()
    call = tokenizer.encode('<tool>{"name": "scrape", "args": {"id": "1234"}}</tool>').tokens
    result = tokenizer.encode("<result> [1234] Halvard").tokens
    assert [token for token in call if token.isdigit()] == ["12", "34"]
    assert [token for token in result if token.isdigit()] == ["12", "34"]
    assert call[:2] == ["<tool>", '{"name": "']
    assert call[-2:] == ['"}}', "</tool>"]


def test_any_text_survives_encoding_and_decoding_but_for_the_space_in_front() -> None:
    tokenizer = trained()
    for text in ("naïve Ünïcode 漢字 🙂", "  two  spaces", "tabs\tand\r\n\n lines ", "a1b22c333", "'s \"'quoted'\""):
        decoded = tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False)
        assert decoded.lstrip(" ").replace("\n ", "\n") == text.lstrip(" ").replace("\n ", "\n")


def test_the_end_token_is_special_and_the_format_tokens_are_not() -> None:
    tokenizer = trained()
    ids = tokenizer.encode("".join(FORMAT_TOKENS) + END_TOKEN).ids
    assert len(ids) == len(FORMAT_TOKENS) + 1
    assert tokenizer.decode(ids) == "".join(FORMAT_TOKENS)


def test_without_the_format_a_vocabulary_of_bytes_and_the_end_reads_any_text(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"prompt": "12+7=", "response": "19"}')
    arguments = ["--text", str(tmp_path / "rows.jsonl"), "--no-format", "--vocabulary", "257"]
    assert main([*arguments, "--out", str(tmp_path / "tokenizer.json")]) == 0
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert tokenizer.get_vocab_size() == 257
    assert tokenizer.token_to_id(END_TOKEN) == 256
    assert tokenizer.encode("12+7=").tokens == list("12+7=")
    assert "<answer>" not in tokenizer.encode("<answer>").tokens
    assert tokenizer.decode(tokenizer.encode("12 é").ids) == "12 é"


def test_the_same_input_gives_the_same_file() -> None:
    assert trained().to_str() == trained().to_str()


def test_a_vocabulary_too_small_for_the_words_names_the_size_that_fits() -> None:
    with pytest.raises(TokenizerError, match="give at least"):
        train_tokenizer(TEXTS, CORPUS, 300)


def test_the_command_writes_a_file_that_loads_and_names_a_bad_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    demos = tmp_path / "demos.jsonl"
    demos.write_text("\n".join(json.dumps({"segments": [{"kind": "model", "text": text}]}) for text in TEXTS))
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("\n".join(json.dumps({"id": "1", "title": "Halvard", "text": text}) for text in CORPUS))
    out = tmp_path / "made" / "tokenizer.json"
    arguments = ["--text", str(demos), "--words-from", str(corpus), "--vocabulary", "600", "--out", str(out)]
    assert main(arguments) == 0
    assert Tokenizer.from_file(str(out)).encode("Ostermere").tokens == ["ĠOstermere"]
    corpus.write_text('{"id": "1"}\n{"id"')
    assert main(arguments) == 2
    assert "corpus.jsonl:2: not JSON" in capsys.readouterr().err


@pytest.mark.skipif(not (ROOT / "node_modules/@huggingface/tokenizers").is_dir(), reason="node modules not installed")
def test_ids_are_the_same_in_javascript(tmp_path: Path) -> None:
    tokenizer = trained()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    rng = random.Random(1)
    pieces = [
        *FORMAT_TOKENS, END_TOKEN, *" ".join(CORPUS).split(" "), " ", "  ", "\n", "\n\n", "\t", "\r\n", "42", "1234",
        "Halvard", "é", "漢", "🙂", "'s", "'", '"', "-", "...", "]", "[", ": ", "\u00a0", "\u200b", "\u0301", "<", "</",
        '{"name"', "unseen", "ÄÖ", "x1", "²", "\ufeff", "\u0085", "\u2028",
    ]  # fmt: skip
    texts = TEXTS + ["".join(rng.choice(pieces) for _ in range(rng.randint(1, 30))) for _ in range(3000)]
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    script = (
        "import { Tokenizer } from '@huggingface/tokenizers'; import { readFileSync } from 'node:fs';"
        f"const read = (name) => JSON.parse(readFileSync({json.dumps(str(tmp_path))} + '/' + name, 'utf8'));"
        "const tokenizer = new Tokenizer(read('tokenizer.json'), {});"
        "console.log(JSON.stringify(read('texts.json').map((text) => tokenizer.encode(text).ids)));"
    )
    run = subprocess.run(
        ["npx", "node", "--input-type=module", "-e", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for text, ids in zip(texts, json.loads(run.stdout), strict=True):
        assert ids == tokenizer.encode(text).ids, repr(text)
