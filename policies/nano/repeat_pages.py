"""Plain text from which copying is learnt fast: the sentences of two pages, and the same sentences in another order.

The second half of such a text can be written without fault by whoever looks a sentence up in the first, which is the
skill that the search task stands on; demonstrations alone teach it several times slower.

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
        pages = [json.loads(line)["text"].rstrip(".").split(". ") for line in file]
    for _ in range(options.count):
        sentences = [sentence for page in random_.sample(pages, 2) for sentence in page]
        again = random_.sample(sentences, len(sentences))
        print(json.dumps({"text": ". ".join([*sentences, *again]) + "."}))


if __name__ == "__main__":
    main()
