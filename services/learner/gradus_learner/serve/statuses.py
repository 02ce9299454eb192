"""The one mapping from errors to gRPC statuses: as services/platform/errors.ts has them for the TypeScript services."""

from __future__ import annotations

import grpc

from gradus_learner.errors import (
    BusyError,
    DamagedError,
    DivergedError,
    ExchangeError,
    GradusError,
    InputError,
    NoRoomError,
    NotReadyError,
    OutOfMemoryError,
    OutsideRootsError,
    RankLostError,
    RefusedError,
    ReopenedError,
    StateError,
)

STATUSES: dict[type[GradusError], grpc.StatusCode] = {
    InputError: grpc.StatusCode.INVALID_ARGUMENT,
    DivergedError: grpc.StatusCode.INVALID_ARGUMENT,
    OutOfMemoryError: grpc.StatusCode.INVALID_ARGUMENT,
    RefusedError: grpc.StatusCode.PERMISSION_DENIED,
    OutsideRootsError: grpc.StatusCode.PERMISSION_DENIED,
    StateError: grpc.StatusCode.FAILED_PRECONDITION,
    DamagedError: grpc.StatusCode.DATA_LOSS,
    NoRoomError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    BusyError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ReopenedError: grpc.StatusCode.ABORTED,
    ExchangeError: grpc.StatusCode.UNAVAILABLE,
    RankLostError: grpc.StatusCode.UNAVAILABLE,
    NotReadyError: grpc.StatusCode.UNAVAILABLE,
}


def status_of(error: GradusError) -> grpc.StatusCode:
    """Of its own class, else of the nearest class that it derives from."""
    return next((STATUSES[each] for each in type(error).__mro__ if each in STATUSES), grpc.StatusCode.INTERNAL)
