"""A model without latency: answers every chat completion at once, with the next call of a three-turn search, token ids
and log-probabilities. Prints its address; stops when its standard input closes.
"""

import asyncio
import json
import sys

ANSWERS = [
    '<tool name="search">{"query": "the capital of the country where it was made"}</tool>',
    '<tool name="fetch">{"id": "document-17"}</tool>',
    "<answer>Lisbon</answer>",
]


def completion(request: dict) -> bytes:
    """The answer depends on how many turns the conversation has: the same for every system."""
    turn = sum(message["role"] == "assistant" for message in request["messages"])
    text = ANSWERS[min(turn, len(ANSWERS) - 1)]
    tokens = list(range(40))
    prompt = sum(len(str(message["content"])) for message in request["messages"]) // 4
    logprobs = [{"token": f"token_id:{id}", "logprob": -0.5, "bytes": None, "top_logprobs": []} for id in tokens]
    answer = {
        "id": "chatcmpl-0",
        "object": "chat.completion",
        "created": 0,
        "model": request["model"],
        "prompt_token_ids": list(range(prompt)),
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": text},
                "token_ids": tokens,
                "logprobs": {"content": logprobs},
            }
        ],
        "usage": {"prompt_tokens": prompt, "completion_tokens": 40, "total_tokens": prompt + 40},
    }
    return json.dumps(answer).encode()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """HTTP/1.1 with keep-alive and Content-Length: what the clients of both peers send."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = next(
                int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
            )
            body = completion(json.loads(await reader.readexactly(length)))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body))
            writer.write(body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # The client has gone.
    finally:
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
