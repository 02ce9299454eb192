"""Plain text from which looking things up is learnt fast: search results of three pages, then the same facts again.

The second half of such a text, sentences and ids in another order, can be written without fault by whoever finds the
place in the first half. That is the skill the search task stands on; demonstrations alone teach it several times
slower.

    python repeat_pages.py corpus.jsonl --count 20000 --seed 1 > pages.jsonl
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="JSONL of {id, title, text}")
    parser.add_argument("--count", type=int, required=True, help="texts to write")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random_ = random.Random(options.seed)
    with options.corpus.open(encoding="utf-8") as file:
        pages = [json.loads(line) for line in file]
    for _ in range(options.count):
        results: list[str] = []
        facts: list[str] = []
        for page in random_.sample(pages, 3):
            sentences = page["text"].rstrip(".").split(". ")
            shown = random_.sample(sentences, min(3, len(sentences)))
            results.append(f"[{page['id']}] {page['title']}: {'. '.join(shown)}.")
            facts += [f"{sentence}." for sentence in shown] + [f"{page['title']} [{page['id']}]"]
        again = random_.sample(facts, len(facts))
        print(json.dumps({"text": "\n".join(results) + "\n" + " ".join(again)}))


if __name__ == "__main__":
    main()
