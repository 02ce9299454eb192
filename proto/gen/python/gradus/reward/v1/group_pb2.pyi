from gradus.reward.v1 import reward_pb2 as _reward_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Compared(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COMPARED_UNSPECIFIED: _ClassVar[Compared]
    COMPARED_ANSWER: _ClassVar[Compared]
    COMPARED_TRANSCRIPT: _ClassVar[Compared]

class PartialPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PARTIAL_POLICY_UNSPECIFIED: _ClassVar[PartialPolicy]
    PARTIAL_POLICY_ABSENT: _ClassVar[PartialPolicy]
    PARTIAL_POLICY_AGGREGATE: _ClassVar[PartialPolicy]

class Schedule(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCHEDULE_UNSPECIFIED: _ClassVar[Schedule]
    SCHEDULE_ALL_PAIRS: _ClassVar[Schedule]
    SCHEDULE_CIRCULAR: _ClassVar[Schedule]
    SCHEDULE_SWISS: _ClassVar[Schedule]
    SCHEDULE_BUDGET: _ClassVar[Schedule]

class Aggregation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AGGREGATION_UNSPECIFIED: _ClassVar[Aggregation]
    AGGREGATION_BRADLEY_TERRY: _ClassVar[Aggregation]
    AGGREGATION_WIN_RATE: _ClassVar[Aggregation]
COMPARED_UNSPECIFIED: Compared
COMPARED_ANSWER: Compared
COMPARED_TRANSCRIPT: Compared
PARTIAL_POLICY_UNSPECIFIED: PartialPolicy
PARTIAL_POLICY_ABSENT: PartialPolicy
PARTIAL_POLICY_AGGREGATE: PartialPolicy
SCHEDULE_UNSPECIFIED: Schedule
SCHEDULE_ALL_PAIRS: Schedule
SCHEDULE_CIRCULAR: Schedule
SCHEDULE_SWISS: Schedule
SCHEDULE_BUDGET: Schedule
AGGREGATION_UNSPECIFIED: Aggregation
AGGREGATION_BRADLEY_TERRY: Aggregation
AGGREGATION_WIN_RATE: Aggregation

class Pairwise(_message.Message):
    __slots__ = ("schedule", "rounds", "pairs", "one_order", "forbid_ties", "aggregation")
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    PAIRS_FIELD_NUMBER: _ClassVar[int]
    ONE_ORDER_FIELD_NUMBER: _ClassVar[int]
    FORBID_TIES_FIELD_NUMBER: _ClassVar[int]
    AGGREGATION_FIELD_NUMBER: _ClassVar[int]
    schedule: Schedule
    rounds: int
    pairs: int
    one_order: bool
    forbid_ties: bool
    aggregation: Aggregation
    def __init__(self, schedule: _Optional[_Union[Schedule, str]] = ..., rounds: _Optional[int] = ..., pairs: _Optional[int] = ..., one_order: _Optional[bool] = ..., forbid_ties: _Optional[bool] = ..., aggregation: _Optional[_Union[Aggregation, str]] = ...) -> None: ...

class Listwise(_message.Message):
    __slots__ = ("passes",)
    PASSES_FIELD_NUMBER: _ClassVar[int]
    passes: int
    def __init__(self, passes: _Optional[int] = ...) -> None: ...

class PointwiseFirst(_message.Message):
    __slots__ = ("tolerance", "top_only")
    TOLERANCE_FIELD_NUMBER: _ClassVar[int]
    TOP_ONLY_FIELD_NUMBER: _ClassVar[int]
    tolerance: float
    top_only: bool
    def __init__(self, tolerance: _Optional[float] = ..., top_only: _Optional[bool] = ...) -> None: ...

class GroupSample(_message.Message):
    __slots__ = ("id", "turns", "pointwise")
    ID_FIELD_NUMBER: _ClassVar[int]
    TURNS_FIELD_NUMBER: _ClassVar[int]
    POINTWISE_FIELD_NUMBER: _ClassVar[int]
    id: str
    turns: _containers.RepeatedCompositeFieldContainer[_reward_pb2.Turn]
    pointwise: float
    def __init__(self, id: _Optional[str] = ..., turns: _Optional[_Iterable[_Union[_reward_pb2.Turn, _Mapping]]] = ..., pointwise: _Optional[float] = ...) -> None: ...

class ScoreGroupRequest(_message.Message):
    __slots__ = ("id", "question", "answers", "samples", "judge", "criterion", "compared", "pairwise", "listwise", "pointwise_first", "deadline_ms", "partial", "seed")
    ID_FIELD_NUMBER: _ClassVar[int]
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    JUDGE_FIELD_NUMBER: _ClassVar[int]
    CRITERION_FIELD_NUMBER: _ClassVar[int]
    COMPARED_FIELD_NUMBER: _ClassVar[int]
    PAIRWISE_FIELD_NUMBER: _ClassVar[int]
    LISTWISE_FIELD_NUMBER: _ClassVar[int]
    POINTWISE_FIRST_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    id: str
    question: str
    answers: _containers.RepeatedScalarFieldContainer[str]
    samples: _containers.RepeatedCompositeFieldContainer[GroupSample]
    judge: str
    criterion: str
    compared: Compared
    pairwise: Pairwise
    listwise: Listwise
    pointwise_first: PointwiseFirst
    deadline_ms: int
    partial: PartialPolicy
    seed: int
    def __init__(self, id: _Optional[str] = ..., question: _Optional[str] = ..., answers: _Optional[_Iterable[str]] = ..., samples: _Optional[_Iterable[_Union[GroupSample, _Mapping]]] = ..., judge: _Optional[str] = ..., criterion: _Optional[str] = ..., compared: _Optional[_Union[Compared, str]] = ..., pairwise: _Optional[_Union[Pairwise, _Mapping]] = ..., listwise: _Optional[_Union[Listwise, _Mapping]] = ..., pointwise_first: _Optional[_Union[PointwiseFirst, _Mapping]] = ..., deadline_ms: _Optional[int] = ..., partial: _Optional[_Union[PartialPolicy, str]] = ..., seed: _Optional[int] = ...) -> None: ...

class GroupScore(_message.Message):
    __slots__ = ("id", "score", "absent", "strength", "comparisons", "points")
    ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    ABSENT_FIELD_NUMBER: _ClassVar[int]
    STRENGTH_FIELD_NUMBER: _ClassVar[int]
    COMPARISONS_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    id: str
    score: float
    absent: str
    strength: float
    comparisons: int
    points: float
    def __init__(self, id: _Optional[str] = ..., score: _Optional[float] = ..., absent: _Optional[str] = ..., strength: _Optional[float] = ..., comparisons: _Optional[int] = ..., points: _Optional[float] = ...) -> None: ...

class Comparison(_message.Message):
    __slots__ = ("first", "second", "verdict", "absent", "reply_id")
    FIRST_FIELD_NUMBER: _ClassVar[int]
    SECOND_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    ABSENT_FIELD_NUMBER: _ClassVar[int]
    REPLY_ID_FIELD_NUMBER: _ClassVar[int]
    first: int
    second: int
    verdict: str
    absent: str
    reply_id: str
    def __init__(self, first: _Optional[int] = ..., second: _Optional[int] = ..., verdict: _Optional[str] = ..., absent: _Optional[str] = ..., reply_id: _Optional[str] = ...) -> None: ...

class ScoreGroupResponse(_message.Message):
    __slots__ = ("scores", "planned", "judged", "by_rule", "missing", "judgements", "cached", "position_bias", "inconsistency", "absences", "comparisons")
    class AbsencesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    SCORES_FIELD_NUMBER: _ClassVar[int]
    PLANNED_FIELD_NUMBER: _ClassVar[int]
    JUDGED_FIELD_NUMBER: _ClassVar[int]
    BY_RULE_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    JUDGEMENTS_FIELD_NUMBER: _ClassVar[int]
    CACHED_FIELD_NUMBER: _ClassVar[int]
    POSITION_BIAS_FIELD_NUMBER: _ClassVar[int]
    INCONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    ABSENCES_FIELD_NUMBER: _ClassVar[int]
    COMPARISONS_FIELD_NUMBER: _ClassVar[int]
    scores: _containers.RepeatedCompositeFieldContainer[GroupScore]
    planned: int
    judged: int
    by_rule: int
    missing: int
    judgements: int
    cached: int
    position_bias: float
    inconsistency: float
    absences: _containers.ScalarMap[str, int]
    comparisons: _containers.RepeatedCompositeFieldContainer[Comparison]
    def __init__(self, scores: _Optional[_Iterable[_Union[GroupScore, _Mapping]]] = ..., planned: _Optional[int] = ..., judged: _Optional[int] = ..., by_rule: _Optional[int] = ..., missing: _Optional[int] = ..., judgements: _Optional[int] = ..., cached: _Optional[int] = ..., position_bias: _Optional[float] = ..., inconsistency: _Optional[float] = ..., absences: _Optional[_Mapping[str, int]] = ..., comparisons: _Optional[_Iterable[_Union[Comparison, _Mapping]]] = ...) -> None: ...
