"""Three kinds of text from which looking things up is learnt fast; demonstrations alone teach it several times slower.

- `pages`: two pages as search results, then sentences, ids and short questions about them in any order. Anyone who
  finds the place in the first half can write the second without fault.
- `questions`: one question, a page, the answer. The question now stands far from its answer, as in an episode.
- `chains`: a question of several hops, and for each hop the search and the page, nothing else. Which fact comes next?

    python lookup_text.py pages WORLD --count 20000 --seed 1 > lookup.jsonl
"""

from __future__ import annotations

import argparse
import json
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

# Entity -> noun of a relation -> object.
Facts = dict[str, dict[str, str]]
Page = dict[str, str]
# How the world's own questions begin and end.
OPENINGS = (("What is", "?"), ("Find", "."), ("Name", "."), ("Tell me", "."))


@dataclass(frozen=True)
class World:
    questions: Sequence[dict[str, Any]]
    facts: Facts
    # By title; only those about which something is asked.
    pages: dict[str, Page]


def read_world(folder: Path) -> World:
    with (folder / "train.jsonl").open(encoding="utf-8") as file:
        questions = [json.loads(line) for line in file]
    facts = facts_of(questions)
    with (folder / "corpus.jsonl").open(encoding="utf-8") as file:
        pages = {page["title"]: page for page in map(json.loads, file) if page["title"] in facts}
    return World(questions, facts, pages)


def facts_of(questions: Sequence[dict[str, Any]]) -> Facts:
    """From the decompositions `Entity >> noun` and `#1 >> noun`."""
    facts: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for question in questions:
        answers: list[str] = []
        for step in question["question_decomposition"]:
            subject, noun = step["question"].split(" >> ")
            if subject.startswith("#"):
                subject = answers[int(subject[1:]) - 1]
            facts[subject][noun] = step["answer"]
            answers.append(step["answer"])
    return facts


def ask(noun: str, title: str, random_: random.Random) -> str:
    opening, mark = random_.choice(OPENINGS)
    return f"{opening} the {noun} of {title}{mark}"


def page_texts(world: World, random_: random.Random) -> Iterator[object]:
    facts = world.facts
    pages = list(world.pages.values())
    while True:
        first: list[str] = []
        again: list[str] = []
        for page in random_.sample(pages, 2):
            title = page["title"]
            sentences = [f"{sentence}." for sentence in page["text"].rstrip(".").split(". ")]
            first.append(f"[{page['id']}] {title}: {' '.join(sentences)}")
            again.append(f"{title} [{page['id']}]")
            again += random_.sample(sentences, 2)
            for noun, answer in facts[title].items():
                again.append(f"{ask(noun, title, random_)}<answer> {answer}</answer>")
        yield {"text": "\n".join(first) + "\n" + "\n".join(random_.sample(again, len(again)))}


def result(page: Page) -> dict[str, str]:
    return {"kind": "environment", "text": f"<result> [{page['id']}] {page['title']}: {page['text']} </result>"}


def question_texts(world: World, random_: random.Random) -> Iterator[object]:
    pages = list(world.pages.values())
    while True:
        page = random_.choice(pages)
        noun, answer = random_.choice(list(world.facts[page["title"]].items()))
        yield {
            "segments": [
                {"kind": "prompt", "text": ask(noun, page["title"], random_)},
                result(page),
                {"kind": "model", "text": f"<answer> {answer}</answer>"},
            ]
        }


def chain_texts(world: World, random_: random.Random) -> Iterator[object]:
    while True:
        row = random_.choice(world.questions)
        steps = row["question_decomposition"]
        segments = [{"kind": "prompt", "text": row["question"]}]
        for entity in [steps[0]["question"].split(" >> ")[0], *(step["answer"] for step in steps[:-1])]:
            call = json.dumps({"name": "websearch", "args": {"query": entity}})
            segments += [{"kind": "model", "text": f"<tool>{call}</tool>"}, result(world.pages[entity])]
        yield {"segments": [*segments, {"kind": "model", "text": f"<answer> {row['answer']}</answer>"}]}


KINDS = {"pages": page_texts, "questions": question_texts, "chains": chain_texts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("world", type=Path, help="folder with corpus.jsonl and train.jsonl")
    parser.add_argument("--count", type=int, required=True, help="texts to write")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rows = KINDS[options.kind](read_world(options.world), random.Random(options.seed))
    for row in islice(rows, options.count):
        print(json.dumps(row))


if __name__ == "__main__":
    main()
