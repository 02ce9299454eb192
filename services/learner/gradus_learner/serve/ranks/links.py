"""One connection between rank 0 and each other rank: how the end or the silence of a process becomes known at once.

Each side sends lines: `exchanges N`, every second at least, from a thread of its own, so that a process that is
stopped falls silent; `call`, that a call is about to be broadcast; `failed TEXT`, why it ends; `end`, that rank 0 ends
in order. A connection that closes without `end` is a process that has ended.
"""

from __future__ import annotations

import contextlib
import json
import queue
import selectors
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

BEAT_SECONDS = 1.0
# For the end of one rank to arrive, where another fails because of it.
DOUBT_SECONDS = 2.0


@dataclass
class Peer:
    rank: int
    pid: int
    connection: socket.socket
    exchanges: int = 0
    silent_seconds: float = 0.0
    closed: bool = False
    # Why it fails, in its own words.
    words: str = ""
    received: bytes = field(default=b"", repr=False)


def who(peer: Peer) -> str:
    return f"rank {peer.rank} (process {peer.pid})"


def sure_loss(peers: Sequence[Peer], silence_seconds: float) -> str | None:
    """A rank that has ended without a word, or does not send any more."""
    for peer in peers:
        if peer.closed and not peer.words:
            return f"{who(peer)} has ended"
    for peer in peers:
        if peer.silent_seconds >= silence_seconds:
            return f"{who(peer)} has not answered for {peer.silent_seconds:.0f} s: it is stopped, or its machine is"
    return None


def likely_loss(peers: Sequence[Peer], own: int, words: str) -> str:
    """Who is behind, where somebody waited in vain; else what was said."""
    furthest = max([own, *(peer.exchanges for peer in peers)])
    behind = [who(peer) for peer in peers if peer.exchanges < furthest and not peer.words]
    if behind:
        return f"{', '.join(behind)} did not come to exchange {furthest}, where the others wait ({words})"
    failed = [f"{who(peer)} failed: {peer.words}" for peer in peers if peer.words]
    return failed[0] if failed else words


class Links:
    """`on_lost` is called once, from the thread of the links, with what was lost."""

    def __init__(
        self,
        peers: Sequence[Peer],
        silence_seconds: float,
        exchanges: Callable[[], int],
        on_lost: Callable[[str], None],
    ) -> None:
        self.peers = list(peers)
        self.lost: str | None = None
        # Of a rank that serves others: `call` or `end`.
        self.calls: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._silence_seconds = silence_seconds
        self._exchanges = exchanges
        self._on_lost = on_lost
        self._ending = False
        self._doubtful_seconds = 0.0
        self._writing = threading.Lock()
        self._over = threading.Event()
        self._known = threading.Event()
        self._selector = selectors.DefaultSelector()
        for peer in self.peers:
            peer.connection.setblocking(False)
            self._selector.register(peer.connection, selectors.EVENT_READ, peer)
        self._thread = threading.Thread(target=self._run, name="rank-links", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._send("call")

    def fail(self, words: str) -> None:
        """Before this process ends by an error."""
        self._ending = True
        self._send(f"exchanges {self._exchanges()}")
        self._send(f"failed {json.dumps(words)}")

    def end(self) -> None:
        """In order: what the others do from here on is no loss."""
        self._ending = True
        self._send("end")
        self._over.set()

    def verdict(self, error: Exception) -> str:
        """Who is to blame for an exchange that broke off."""
        self._known.wait(2 * BEAT_SECONDS + DOUBT_SECONDS)
        return self.lost or likely_loss(self.peers, self._exchanges(), str(error))

    def _send(self, line: str) -> None:
        data = f"{line}\n".encode()
        with self._writing:
            for peer in self.peers:
                # A line is far smaller than the buffer of a connection; a peer that reads nothing is found silent.
                with contextlib.suppress(OSError):
                    peer.connection.send(data)

    def _run(self) -> None:
        last = time.monotonic()
        while not self._over.is_set():
            for key, _ in self._selector.select(BEAT_SECONDS / 4):
                self._read(key.data)
            passed = time.monotonic() - last
            if passed >= BEAT_SECONDS:
                last = time.monotonic()
                self._send(f"exchanges {self._exchanges()}")
                # Time that this process was stopped or starved itself is held against nobody.
                self._age(min(passed, 2 * BEAT_SECONDS))
            self._look()

    def _age(self, seconds: float) -> None:
        for peer in self.peers:
            peer.silent_seconds += seconds
        if any(peer.words for peer in self.peers):
            self._doubtful_seconds += seconds

    def _look(self) -> None:
        if self._ending or self.lost is not None:
            return
        lost = sure_loss(self.peers, self._silence_seconds)
        if lost is None and self._doubtful_seconds >= DOUBT_SECONDS:
            lost = likely_loss(self.peers, self._exchanges(), next(peer.words for peer in self.peers if peer.words))
        if lost is not None:
            self.lost = lost
            self._known.set()
            self._on_lost(lost)

    def _read(self, peer: Peer) -> None:
        try:
            data = peer.connection.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            peer.closed = True
            self._selector.unregister(peer.connection)
            return
        peer.silent_seconds = 0.0
        *lines, peer.received = (peer.received + data).split(b"\n")
        for line in lines:
            self._take(peer, line.decode())

    def _take(self, peer: Peer, line: str) -> None:
        word, _, rest = line.partition(" ")
        match word:
            case "exchanges":
                peer.exchanges = int(rest)
            case "failed":
                peer.words = json.loads(rest)
            case "call" | "end":
                self._ending = self._ending or word == "end"
                self.calls.put(word)
            case _:
                peer.words = f"it sent {line[:100]!r}"


def await_peers(listener: socket.socket, count: int, deadline: float) -> dict[int, Peer]:
    """Of rank 0: each of `count` others says its rank and process. Those that have come by the deadline."""
    found: dict[int, Peer] = {}
    while len(found) < count:
        listener.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            connection, _ = listener.accept()
            connection.settimeout(max(0.01, deadline - time.monotonic()))
            rank, pid = (int(part) for part in read_line(connection).split())
        except (OSError, ValueError):
            if time.monotonic() >= deadline:
                break
            continue
        found[rank] = Peer(rank, pid, connection)
    return found


def read_line(connection: socket.socket) -> str:
    data = b""
    while not data.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte or len(data) > 100:
            raise ValueError("no line")
        data += byte
    return data.decode()


def missing_ranks(found: Mapping[int, Peer], size: int) -> list[int]:
    return [rank for rank in range(1, size) if rank not in found]
