"""Plain text from which copying is learnt: the clauses of a passage, and the same clauses in two other orders.

python repeat_passages.py --corpus corpus.jsonl --seed 1 > passages.jsonl
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path

from make_rows import read_pages

# Characters of a passage that are repeated; short texts teach the same and cost less.
MOST = 220


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--corpus",
        type=Path,
        required=True,
        help="JSONL of {id, contents: title, newline, text}",
    )
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random_ = random.Random(options.seed)
    pages = read_pages(options.corpus)
    random_.shuffle(pages)
    for page in pages:
        cut = page.text if len(page.text) <= MOST else page.text[: page.text.rfind(" ", 0, MOST)]
        # Pieces of clauses rather than sentences: a place to look up every ten words or so.
        pieces = cut.replace(", ", ". ").rstrip(".").split(". ")
        orders = [pieces, *(random_.sample(pieces, len(pieces)) for _ in range(2))]
        said = " ".join(f"{page.title}: {'. '.join(order)}." for order in orders)
        sys.stdout.write(json.dumps({"text": said}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
