"""The work that every system does: three turns of a search, two tool results, an exact match."""

from collections.abc import Awaitable, Callable

SYSTEM = "Answer the question. Call search and fetch when you need them, then give <answer>.</answer>. " * 6
QUESTION = "What is the capital of the country where the instrument on the cover was made?"
RESULTS = ["document-17: A museum of instruments. " * 12, "The instrument was made in Portugal, by a workshop. " * 20]
ANSWER = "Lisbon"


async def play(ask: Callable[[list[dict]], Awaitable[str]]) -> float:
    """Plays one rollout; `ask` gives the model's text for a conversation. Gives the reward."""
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]
    for result in RESULTS:
        messages.append({"role": "assistant", "content": await ask(messages)})
        messages.append({"role": "user", "content": result})
    return reward(await ask(messages))


def reward(text: str) -> float:
    return float(text.removeprefix("<answer>").removesuffix("</answer>").strip().lower() == ANSWER.lower())
