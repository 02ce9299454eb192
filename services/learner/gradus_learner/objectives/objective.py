"""What an objective is: a frozen dataclass whose fields are its options, and how a step learns by them.

A step names its objective and gives the options by the names that they have in a recipe; what it leaves out has its
default. Each option is declared once: its type, its bounds (`Annotated[float, Between(0, 1)]`) or its choices (a
`Literal`), and its default.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol, get_args, get_origin, get_type_hints

from gradus_learner.errors import InputError

if TYPE_CHECKING:
    from gradus_learner.train.trainer import Trainer


class OptionsError(InputError):
    """Options that cannot be; the message names every field, its value and its bound."""


class TrainingError(InputError):
    """A step that could not be applied; the weights are as before."""


class NothingFiniteError(TrainingError):
    """A step none of whose updates has a finite gradient; `metrics` are the step's, with `updates` 0."""

    def __init__(self, metrics: Mapping[str, float]) -> None:
        super().__init__(
            f"none of the {metrics['updates_skipped']:.0f} updates of this step has a finite gradient: nothing was "
            "applied. Look at the rewards of its batch and at the weights that it began with; with a lower "
            "learning_rate the run can be resumed from an earlier step"
        )
        self.metrics = dict(metrics)


@dataclass(frozen=True)
class Packed:
    """A sample as it was sent: a gzipped gradus.trajectory.v1.Trajectory and what is said of it."""

    trajectory: bytes
    advantage: float = 0.0
    truncated: bool = False
    # Whose sequence of the trajectory it is; empty where the environment has no roles.
    role: str = ""
    # Samples with the same number were compared with each other; one without is a group of its own.
    group: int | None = None


@dataclass(frozen=True)
class Intake:
    """What a sample must fit."""

    vocabulary_size: int
    tokenizer_hash: str
    end_token: int
    # At which log-probabilities are compared.
    temperature: float
    encode: Callable[[str], Sequence[int]]


class Objective(Protocol):
    """`name` is what a step calls it by."""

    name: ClassVar[str]

    @property
    def learning_rate(self) -> float: ...

    @property
    def max_grad_norm(self) -> float: ...

    @property
    def needs_reference(self) -> bool:
        """Whether its loss looks at the policy that entered the stage."""
        ...

    def decode(self, packed: Packed, intake: Intake, /) -> Any:
        """What `train` takes. Raises SampleError for a sample that cannot be learned from as it is."""
        ...

    def train(self, trainer: Trainer, samples: Sequence[Any], temperature: float, /) -> dict[str, float]:
        """All updates of one step, and its metrics. Raises TrainingError with nothing applied."""
        ...


@dataclass(frozen=True)
class Between:
    """Bounds of a number, in its annotation; `above`, `below`: the least or the greatest itself is not allowed."""

    least: float
    greatest: float
    above: bool = False
    below: bool = False

    def problem(self, value: float) -> str | None:
        # False for what is not a number, too.
        if not self.least <= value <= self.greatest:
            return f"from {self.least:g} to {self.greatest:g}"
        if self.above and value == self.least:
            return f"> {self.least:g}"
        return f"< {self.greatest:g}" if self.below and value == self.greatest else None


@dataclass(frozen=True)
class Option:
    """What the annotation of a field says: its type, and for a text its choices, for a number its bounds."""

    type: type[bool] | type[int] | type[float] | type[str]
    choices: tuple[str, ...] = ()
    bounds: Between | None = None


def options_of(kind: type[Any]) -> dict[str, Option]:
    """Of an objective, by name."""
    hints = get_type_hints(kind, include_extras=True)
    found: dict[str, Option] = {}
    for name in (each.name for each in fields(kind)):
        hint = hints[name]
        if get_origin(hint) is Literal:
            found[name] = Option(str, get_args(hint))
        elif get_origin(hint) is Annotated:
            number, bounds = get_args(hint)
            found[name] = Option(number, bounds=bounds)
        else:
            found[name] = Option(hint)
    return found


def check_options(objective: Any, *more: tuple[bool, str]) -> None:
    """Raises OptionsError with all problems at once. `more`: what holds between fields, and what is said where not."""
    problems: list[str] = []
    for name, option in options_of(type(objective)).items():
        value = getattr(objective, name)
        wrong = None if option.bounds is None else option.bounds.problem(value)
        if option.choices and value not in option.choices:
            wrong = f"one of {', '.join(option.choices)}"
        if wrong is not None:
            problems.append(f"{name} is {value}; it must be {wrong}")
    problems += [text for holds, text in more if not holds]
    if problems:
        raise OptionsError("; ".join(f"{objective.name}.{problem}" for problem in problems))


def options_from(kind: type[Any], values: Mapping[str, Any]) -> Any:
    """The objective with these options, by name; numbers are floats, as in JSON.

    Raises OptionsError for a name or a type that it does not have.
    """
    known = options_of(kind)
    problems: list[str] = []
    given: dict[str, Any] = {}
    for name, value in values.items():
        option = known.get(name)
        if option is None:
            near = difflib.get_close_matches(name, known, n=1)
            problems.append(
                f"{name} is no option; " + (f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}")
            )
        elif option.type is int and isinstance(value, float) and value.is_integer():
            given[name] = int(value)
        elif option.type is not int and isinstance(value, option.type):
            given[name] = value
        else:
            problems.append(f"{name} is {value!r}; it must be {TYPE_NAMES[option.type]}")
    if problems:
        raise OptionsError("; ".join(f"{kind.name}.{problem}" for problem in problems))
    return kind(**given)


TYPE_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
