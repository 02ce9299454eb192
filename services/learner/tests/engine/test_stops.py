from __future__ import annotations

from gradus_learner.engine.stops import Vocabulary
from tests.engine.tiny_engine import build_tokenizer


def tokens_of(text: str) -> list[int]:
    return build_tokenizer().encode(text).ids


def test_a_stop_string_is_found_at_the_token_that_completes_it(vocabulary: Vocabulary) -> None:
    for stop, text in (
        ("</tool>", " the town</tool> of"),
        ("of Bront", " town of Brontley"),
        ("e e", " the e e"),
        ("fé", " the café of"),
    ):
        rule = vocabulary.rule((stop,))
        token_ids = tokens_of(text)
        first = next(
            n
            for n in range(1, len(token_ids) + 1)
            if token_ids[n - 1] in rule.triggers and vocabulary.stops(rule, token_ids[:n])
        )
        assert stop in vocabulary.decode(token_ids[:first])
        assert stop not in vocabulary.decode(token_ids[: first - 1])


def test_tokens_that_cannot_end_a_stop_string_are_no_triggers(vocabulary: Vocabulary) -> None:
    rule = vocabulary.rule(("</tool>",))
    texts = [vocabulary.decode([token]) for token in sorted(rule.triggers)]
    assert "</tool>" in texts
    assert all(">" in text or "\ufffd" in text for text in texts)


def test_without_stop_strings_nothing_triggers(vocabulary: Vocabulary) -> None:
    assert vocabulary.rule(()).triggers == frozenset()


def test_a_stop_string_far_back_is_not_found_again(vocabulary: Vocabulary) -> None:
    rule = vocabulary.rule(("</tool>",))
    assert not vocabulary.stops(rule, tokens_of("</tool> the town of Halvard lies in the country"))
