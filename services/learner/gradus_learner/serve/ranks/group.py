"""Ranks meet: where they find each other, what they exchange over, and the links that tell who is lost.

All of it is plain TCP without certificates, so it stays on loopback unless the network itself is trusted.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import distributed

from gradus_learner.errors import ExchangeError, RankLostError
from gradus_learner.serve.config import ConfigError, LearnerConfig
from gradus_learner.serve.ranks.links import Links, Peer, await_peers, missing_ranks, read_line
from gradus_learner.serve.ranks.place import Place, device_of
from gradus_learner.train.ranks import Ranks

T = TypeVar("T")

# Until all ranks are there: importing PyTorch from a cold disk takes its time.
MEET_SECONDS = 150.0
LINKS_KEY = "gradus/links"


@dataclass
class RankGroup:
    place: Place
    ranks: Ranks
    links: Links
    # What is lost, once something is.
    lost: Future[str] = field(default_factory=Future[str])
    _lost_here: asyncio.Future[str] | None = None

    async def unless_lost(self, work: asyncio.Future[T]) -> T:
        """What `work` gives; RankLostError as soon as a rank is lost, though `work` may wait for it much longer."""
        if self._lost_here is None:
            self._lost_here = asyncio.wrap_future(self.lost)
        await asyncio.wait({work, self._lost_here}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            # Nobody reads what becomes of it.
            work.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise RankLostError(said(self.lost.result()))
        try:
            return work.result()
        except ExchangeError as error:
            self.lose(await asyncio.to_thread(self.links.verdict, error))
            raise RankLostError(said(self.lost.result())) from error
        except RankLostError as error:
            self.lose(str(error))
            raise RankLostError(said(str(error))) from error

    async def end(self) -> None:
        """Of rank 0: the others end, too."""
        if not self.lost.done():
            self.links.end()

    def lose(self, what: str) -> None:
        if not self.lost.done():
            self.lost.set_result(what)


def said(what: str) -> str:
    return f"{what}; the learner ends. Start all its ranks again: the run goes on from its newest checkpoint"


def join(place: Place, config: LearnerConfig) -> RankGroup:
    """Returns once all ranks are there. Raises ConfigError that names those that are not."""
    deadline = time.monotonic() + MEET_SECONDS
    address = check_address(place, config)
    device = torch.device(device_of(config.device, place))
    if device.type == "cuda":
        torch.cuda.set_device(device)
    store = open_store(place, address)
    peers = meet(place, address, store, deadline)
    if address.startswith("127."):
        # Else gloo listens at the address that this machine's name has.
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback_interface())
    distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo",
        store=store,
        rank=place.rank,
        world_size=place.size,
        timeout=timedelta(milliseconds=config.rank_timeout_ms),
    )
    lost: Future[str] = Future()

    def on_lost(what: str) -> None:
        if not lost.done():
            lost.set_result(what)

    counted: list[Ranks] = []
    links = Links(
        peers,
        config.rank_silence_ms / 1000,
        lambda: counted[0].exchanges if counted else 0,
        on_lost,
    )
    ranks = Ranks(distributed.group.WORLD, links.wake)
    counted.append(ranks)
    check_devices(ranks, device)
    links.start()
    return RankGroup(place, ranks, links, lost)


def check_address(place: Place, config: LearnerConfig) -> str:
    try:
        address = socket.gethostbyname(place.address)
    except OSError as error:
        raise ConfigError(f"MASTER_ADDR is {place.address!r}: {error.strerror}; give an address of rank 0") from None
    if not address.startswith("127.") and not config.insecure_remote:
        raise ConfigError(
            f"MASTER_ADDR is {place.address!r}, which is reachable from other machines, and ranks talk without "
            "certificates; use 127.0.0.1 for ranks of one machine, or set --insecure-remote where the network itself "
            "is trusted"
        )
    return address


def open_store(place: Place, address: str) -> distributed.Store:
    listener: socket.socket | None = None
    wait = timedelta(seconds=MEET_SECONDS)
    if place.rank == 0 and not place.agent_listens:
        # Its own listener would be at every address of this machine.
        listener = listen(address, place.port)
    options: dict[str, Any] = {} if listener is None else {"master_listen_fd": listener.detach()}
    try:
        store = distributed.TCPStore(
            address,
            place.port,
            place.size,
            is_master=listener is not None,
            timeout=wait,
            wait_for_workers=False,
            **options,
        )
    except RuntimeError as error:
        raise ConfigError(
            f"rank {place.rank} does not reach {place.address}:{place.port} (MASTER_ADDR, MASTER_PORT), where rank 0 "
            f"has to listen: {str(error).splitlines()[0]}"
        ) from None
    return distributed.PrefixStore(f"gradus/{place.attempt}", store)


def listen(address: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
    except OSError as error:
        raise ConfigError(f"MASTER_PORT is {port}: {error.strerror}; choose another") from None
    listener.listen(128)
    return listener


def meet(place: Place, address: str, store: distributed.Store, deadline: float) -> list[Peer]:
    """The connections of rank 0 with all others; of another rank that with rank 0."""
    if place.rank > 0:
        host, _, port = store.get(LINKS_KEY).decode().rpartition(":")
        connection = socket.create_connection((host, int(port)), max(1.0, deadline - time.monotonic()))
        connection.sendall(f"{place.rank} {os.getpid()}\n".encode())
        return [Peer(0, int(read_line(connection)), connection)]
    with listen(address, 0) as listener:
        store.set(LINKS_KEY, f"{address}:{listener.getsockname()[1]}")
        found = await_peers(listener, place.size - 1, deadline)
    missing = missing_ranks(found, place.size)
    if missing:
        raise ConfigError(
            f"WORLD_SIZE is {place.size}, and rank {', '.join(map(str, missing))} did not come to {place.address}:"
            f"{place.port} within {MEET_SECONDS:.0f} s; start all ranks at once, and read the log of that one"
        )
    for peer in found.values():
        peer.connection.sendall(f"{os.getpid()}\n".encode())
    return [found[rank] for rank in sorted(found)]


def check_devices(ranks: Ranks, device: torch.device) -> None:
    """Two ranks on one GPU: NCCL would hang."""
    every = ranks.gather((socket.gethostname(), str(device)))
    for rank, found in enumerate(every):
        first = every.index(found)
        if device.type == "cuda" and first < rank:
            raise ConfigError(
                f"device is {found[1]} at ranks {first} and {rank} of {found[0]}; give --device cuda, which takes the "
                "GPU of each rank's place"
            )


def loopback_interface() -> str:
    names = [name for _, name in socket.if_nameindex()]
    return next((name for name in names if name.startswith("lo")), "lo")
