"""Errors of the learner and the engine, named by what went wrong. serve/statuses.py maps each to its gRPC status."""

from __future__ import annotations


class GradusError(Exception):
    """An error that a caller is meant to see; the message names what happened, where, and what to do."""

    # How long a caller should wait before it tries again; None where waiting changes nothing.
    retry_after_ms: int | None = None


class InputError(GradusError):
    """What was sent or named cannot be used, now or later; the message names field, value and bound."""


class OutsideRootsError(GradusError):
    """A path lies outside of the directories that this service may use."""


class RefusedError(GradusError):
    """The caller's certificate is not of a role that may ask this."""


class StateError(GradusError):
    """A sound request that does not fit what is there: another run's directory, a step out of order, an old leader."""


class DamagedError(GradusError):
    """What this program wrote before is no longer whole."""


class DivergedError(GradusError):
    """A step gave weights that are not finite; sending it again to the same run gives the same."""


class OutOfMemoryError(GradusError):
    """A step needs more memory than there is, however it is split; sending it again gives the same."""


class ReopenedError(GradusError):
    """The run was opened again while a call was under way."""


class NoRoomError(GradusError):
    """The disk is full; nothing is lost, and the same call goes on where it stopped."""

    retry_after_ms = 5_000


class ExchangeError(GradusError):
    """Ranks could not exchange what a step needs: one of them has ended, hangs, or does something else."""


class RankLostError(GradusError):
    """A rank of the learner has ended or hangs; the others cannot go on without it, and all are started again."""


class BusyError(GradusError):
    """The queue is full."""

    def __init__(self, message: str, retry_after_ms: int) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms


class NotReadyError(GradusError):
    """The service cannot do this yet, or any more; another one may."""
