from gradus.rollout.v1 import composition_pb2 as _composition_pb2
from gradus.rollout.v1 import judged_pb2 as _judged_pb2
from gradus.rollout.v1 import task_pb2 as _task_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Turn(_message.Message):
    __slots__ = ("text", "tool_call", "answer", "violation", "truncated")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALL_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    VIOLATION_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    text: str
    tool_call: ToolCall
    answer: Answer
    violation: Violation
    truncated: bool
    def __init__(self, text: _Optional[str] = ..., tool_call: _Optional[_Union[ToolCall, _Mapping]] = ..., answer: _Optional[_Union[Answer, _Mapping]] = ..., violation: _Optional[_Union[Violation, _Mapping]] = ..., truncated: _Optional[bool] = ...) -> None: ...

class ToolCall(_message.Message):
    __slots__ = ("name", "succeeded", "error", "page_titles")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SUCCEEDED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    PAGE_TITLES_FIELD_NUMBER: _ClassVar[int]
    name: str
    succeeded: bool
    error: str
    page_titles: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., succeeded: _Optional[bool] = ..., error: _Optional[str] = ..., page_titles: _Optional[_Iterable[str]] = ...) -> None: ...

class Answer(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class Violation(_message.Message):
    __slots__ = ("code",)
    CODE_FIELD_NUMBER: _ClassVar[int]
    code: str
    def __init__(self, code: _Optional[str] = ...) -> None: ...

class ScoreItem(_message.Message):
    __slots__ = ("id", "answers", "turns", "rewards", "support_titles", "tokens", "question", "judged", "composition")
    ID_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    TURNS_FIELD_NUMBER: _ClassVar[int]
    REWARDS_FIELD_NUMBER: _ClassVar[int]
    SUPPORT_TITLES_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    JUDGED_FIELD_NUMBER: _ClassVar[int]
    COMPOSITION_FIELD_NUMBER: _ClassVar[int]
    id: str
    answers: _containers.RepeatedScalarFieldContainer[str]
    turns: _containers.RepeatedCompositeFieldContainer[Turn]
    rewards: _containers.RepeatedCompositeFieldContainer[_task_pb2.RewardWeight]
    support_titles: _containers.RepeatedScalarFieldContainer[str]
    tokens: TokenCounts
    question: str
    judged: _containers.RepeatedCompositeFieldContainer[_judged_pb2.JudgedComponent]
    composition: _composition_pb2.Composition
    def __init__(self, id: _Optional[str] = ..., answers: _Optional[_Iterable[str]] = ..., turns: _Optional[_Iterable[_Union[Turn, _Mapping]]] = ..., rewards: _Optional[_Iterable[_Union[_task_pb2.RewardWeight, _Mapping]]] = ..., support_titles: _Optional[_Iterable[str]] = ..., tokens: _Optional[_Union[TokenCounts, _Mapping]] = ..., question: _Optional[str] = ..., judged: _Optional[_Iterable[_Union[_judged_pb2.JudgedComponent, _Mapping]]] = ..., composition: _Optional[_Union[_composition_pb2.Composition, _Mapping]] = ...) -> None: ...

class TokenCounts(_message.Message):
    __slots__ = ("prompt", "model", "environment")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    prompt: int
    model: int
    environment: int
    def __init__(self, prompt: _Optional[int] = ..., model: _Optional[int] = ..., environment: _Optional[int] = ...) -> None: ...

class ScoreRequest(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[ScoreItem]
    def __init__(self, items: _Optional[_Iterable[_Union[ScoreItem, _Mapping]]] = ...) -> None: ...

class Score(_message.Message):
    __slots__ = ("id", "total", "components", "absent", "judgements", "detectors")
    class ComponentsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class AbsentEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class JudgementsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Judgement
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Judgement, _Mapping]] = ...) -> None: ...
    class DetectorsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    ABSENT_FIELD_NUMBER: _ClassVar[int]
    JUDGEMENTS_FIELD_NUMBER: _ClassVar[int]
    DETECTORS_FIELD_NUMBER: _ClassVar[int]
    id: str
    total: float
    components: _containers.ScalarMap[str, float]
    absent: _containers.ScalarMap[str, str]
    judgements: _containers.MessageMap[str, Judgement]
    detectors: _containers.ScalarMap[str, float]
    def __init__(self, id: _Optional[str] = ..., total: _Optional[float] = ..., components: _Optional[_Mapping[str, float]] = ..., absent: _Optional[_Mapping[str, str]] = ..., judgements: _Optional[_Mapping[str, Judgement]] = ..., detectors: _Optional[_Mapping[str, float]] = ...) -> None: ...

class Judgement(_message.Message):
    __slots__ = ("reply_id", "source", "grade", "criteria")
    class CriteriaEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    REPLY_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    GRADE_FIELD_NUMBER: _ClassVar[int]
    CRITERIA_FIELD_NUMBER: _ClassVar[int]
    reply_id: str
    source: str
    grade: str
    criteria: _containers.ScalarMap[str, float]
    def __init__(self, reply_id: _Optional[str] = ..., source: _Optional[str] = ..., grade: _Optional[str] = ..., criteria: _Optional[_Mapping[str, float]] = ...) -> None: ...

class ScoreResponse(_message.Message):
    __slots__ = ("scores",)
    SCORES_FIELD_NUMBER: _ClassVar[int]
    scores: _containers.RepeatedCompositeFieldContainer[Score]
    def __init__(self, scores: _Optional[_Iterable[_Union[Score, _Mapping]]] = ...) -> None: ...

class DescribeRequest(_message.Message):
    __slots__ = ("custom_settings",)
    CUSTOM_SETTINGS_FIELD_NUMBER: _ClassVar[int]
    custom_settings: _containers.RepeatedCompositeFieldContainer[_task_pb2.RewardWeight]
    def __init__(self, custom_settings: _Optional[_Iterable[_Union[_task_pb2.RewardWeight, _Mapping]]] = ...) -> None: ...

class DescribeResponse(_message.Message):
    __slots__ = ("scorers", "judges", "custom", "detectors", "settings_problems")
    class SettingsProblemsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: str
        def __init__(self, key: _Optional[int] = ..., value: _Optional[str] = ...) -> None: ...
    SCORERS_FIELD_NUMBER: _ClassVar[int]
    JUDGES_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_FIELD_NUMBER: _ClassVar[int]
    DETECTORS_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    scorers: _containers.RepeatedScalarFieldContainer[str]
    judges: _containers.RepeatedCompositeFieldContainer[JudgeState]
    custom: _containers.RepeatedCompositeFieldContainer[CustomScorerState]
    detectors: _containers.RepeatedScalarFieldContainer[str]
    settings_problems: _containers.ScalarMap[int, str]
    def __init__(self, scorers: _Optional[_Iterable[str]] = ..., judges: _Optional[_Iterable[_Union[JudgeState, _Mapping]]] = ..., custom: _Optional[_Iterable[_Union[CustomScorerState, _Mapping]]] = ..., detectors: _Optional[_Iterable[str]] = ..., settings_problems: _Optional[_Mapping[int, str]] = ...) -> None: ...

class CustomScorerState(_message.Message):
    __slots__ = ("name", "kind", "source", "calls", "absences", "restarts")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    ABSENCES_FIELD_NUMBER: _ClassVar[int]
    RESTARTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: str
    source: str
    calls: int
    absences: int
    restarts: int
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., source: _Optional[str] = ..., calls: _Optional[int] = ..., absences: _Optional[int] = ..., restarts: _Optional[int] = ...) -> None: ...

class JudgeState(_message.Message):
    __slots__ = ("name", "model", "circuit", "running_calls", "waiting", "calls", "retries", "retry_budget", "cache_hits", "absences", "prompt_tokens", "completion_tokens", "cost")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CIRCUIT_FIELD_NUMBER: _ClassVar[int]
    RUNNING_CALLS_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    RETRIES_FIELD_NUMBER: _ClassVar[int]
    RETRY_BUDGET_FIELD_NUMBER: _ClassVar[int]
    CACHE_HITS_FIELD_NUMBER: _ClassVar[int]
    ABSENCES_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    name: str
    model: str
    circuit: str
    running_calls: int
    waiting: int
    calls: int
    retries: int
    retry_budget: float
    cache_hits: int
    absences: int
    prompt_tokens: int
    completion_tokens: int
    cost: float
    def __init__(self, name: _Optional[str] = ..., model: _Optional[str] = ..., circuit: _Optional[str] = ..., running_calls: _Optional[int] = ..., waiting: _Optional[int] = ..., calls: _Optional[int] = ..., retries: _Optional[int] = ..., retry_budget: _Optional[float] = ..., cache_hits: _Optional[int] = ..., absences: _Optional[int] = ..., prompt_tokens: _Optional[int] = ..., completion_tokens: _Optional[int] = ..., cost: _Optional[float] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("item",)
    ITEM_FIELD_NUMBER: _ClassVar[int]
    item: ScoreItem
    def __init__(self, item: _Optional[_Union[ScoreItem, _Mapping]] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("components", "detectors", "steps", "total")
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    DETECTORS_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    components: _containers.RepeatedCompositeFieldContainer[Explanation]
    detectors: _containers.RepeatedCompositeFieldContainer[Explanation]
    steps: _containers.RepeatedCompositeFieldContainer[Explanation]
    total: float
    def __init__(self, components: _Optional[_Iterable[_Union[Explanation, _Mapping]]] = ..., detectors: _Optional[_Iterable[_Union[Explanation, _Mapping]]] = ..., steps: _Optional[_Iterable[_Union[Explanation, _Mapping]]] = ..., total: _Optional[float] = ...) -> None: ...

class Explanation(_message.Message):
    __slots__ = ("name", "value", "weight", "reasons")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: float
    weight: float
    reasons: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., value: _Optional[float] = ..., weight: _Optional[float] = ..., reasons: _Optional[_Iterable[str]] = ...) -> None: ...
