"""Plain text from which looking things up is learnt fast: two pages as search results, then what they say again.

The second half of such a text, with sentences, ids and short questions in any order, can be written without fault by
whoever finds the place in the first half. That is the skill the search task stands on; demonstrations alone teach it
several times slower.

    python lookup_text.py WORLD --count 20000 --seed 1 > lookup.jsonl
"""

from __future__ import annotations

import argparse
import json
import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

# How the world's own questions begin.
OPENINGS = (("What is", "?"), ("Find", "."), ("Name", "."), ("Tell me", "."))


def read_facts(questions: Path) -> dict[str, dict[str, str]]:
    """Entity -> noun of the relation -> object, from the decompositions `Entity >> noun` and `#1 >> noun`."""
    facts: defaultdict[str, dict[str, str]] = defaultdict(dict)
    with questions.open(encoding="utf-8") as file:
        for line in file:
            answers: list[str] = []
            for step in json.loads(line)["question_decomposition"]:
                subject, noun = step["question"].split(" >> ")
                if subject.startswith("#"):
                    subject = answers[int(subject[1:]) - 1]
                facts[subject][noun] = step["answer"]
                answers.append(step["answer"])
    return facts


def texts(world: Path, count: int, seed: int) -> Iterator[str]:
    random_ = random.Random(seed)
    facts = read_facts(world / "train.jsonl")
    with (world / "corpus.jsonl").open(encoding="utf-8") as file:
        pages = [page for page in map(json.loads, file) if page["title"] in facts]
    for _ in range(count):
        first: list[str] = []
        again: list[str] = []
        for page in random_.sample(pages, 2):
            title, known = page["title"], facts[page["title"]]
            sentences = [
                f"{sentence}." for sentence in page["text"].rstrip(".").split(". ")
            ]
            first.append(f"[{page['id']}] {title}: {' '.join(sentences)}")
            again.append(f"{title} [{page['id']}]")
            again += random_.sample(sentences, 2)
            for noun, answer in known.items():
                opening, mark = random_.choice(OPENINGS)
                again.append(
                    f"{opening} the {noun} of {title}{mark}<answer> {answer}</answer>"
                )
        yield "\n".join(first) + "\n" + "\n".join(random_.sample(again, len(again)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "world", type=Path, help="folder with corpus.jsonl and train.jsonl"
    )
    parser.add_argument("--count", type=int, required=True, help="texts to write")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for text in texts(options.world, options.count, options.seed):
        print(json.dumps({"text": text}))


if __name__ == "__main__":
    main()
