"""The server that people write for Search-R1's API: FastAPI, uvicorn, one BM25 index in each worker.

    python search_r1_server.py --corpus FILE --workers N --backend numpy|numba --endpoint sync|async

Prints {"http": "host:port"} once it answers.
"""

import argparse
import json
import os
import socket
import sys
import threading
import time
import urllib.request

import orjson
import uvicorn
from bm25s_index import build, read_passages, search
from fastapi import FastAPI
from fastapi.responses import Response
from pydantic import BaseModel

parser = argparse.ArgumentParser()
parser.add_argument("--corpus", required=True)
parser.add_argument("--workers", type=int, default=1)
parser.add_argument("--backend", default="numpy")
parser.add_argument("--endpoint", choices=["sync", "async"], default="sync")
parser.add_argument("--k1", type=float, default=1.2)
parser.add_argument("--b", type=float, default=0.75)
arguments = parser.parse_args()


class QueryRequest(BaseModel):
    queries: list[str]
    topk: int | None = None
    return_scores: bool = False


def create_app() -> FastAPI:
    passages = read_passages(arguments.corpus)
    retriever = build(passages, arguments.backend, arguments.k1, arguments.b)
    documents = []
    for passage in passages:
        title, _, text = passage.contents.partition("\n")
        documents.append({"id": passage.id, "contents": f'"{title}"\n{text}'})
    search(retriever, ["warm up"], 3)
    app = FastAPI()

    def answer(request: QueryRequest) -> Response:
        positions, scores = search(retriever, request.queries, request.topk or 3)
        rows = [
            [
                {"document": documents[position], "score": float(score)}
                if request.return_scores
                else documents[position]
                for position, score in zip(row, row_scores, strict=True)
            ]
            for row, row_scores in zip(positions, scores, strict=True)
        ]
        return Response(orjson.dumps({"result": rows}), media_type="application/json")

    if arguments.endpoint == "sync":

        @app.post("/retrieve")
        def retrieve(request: QueryRequest) -> Response:
            return answer(request)
    else:

        @app.post("/retrieve")
        async def retrieve_in_loop(request: QueryRequest) -> Response:
            return answer(request)

    return app


def announce(port: int) -> None:
    body = json.dumps({"queries": ["are you there?"], "topk": 1}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/retrieve", body, {"content-type": "application/json"}, method="POST"
    )
    while True:
        try:
            urllib.request.urlopen(request).read()
            break
        except OSError:
            time.sleep(0.1)
    print(json.dumps({"http": f"127.0.0.1:{port}"}), flush=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    port = free_port()
    threading.Thread(target=announce, args=(port,), daemon=True).start()
    sys.path.insert(0, os.path.dirname(__file__))
    uvicorn.run(
        "search_r1_server:create_app",
        factory=True,
        host="127.0.0.1",
        port=port,
        workers=arguments.workers,
        log_level="error",
        access_log=False,
    )
