from gradus.rollout.v1 import task_pb2 as _task_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GroupFate(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GROUP_FATE_UNSPECIFIED: _ClassVar[GroupFate]
    GROUP_FATE_KEPT: _ClassVar[GroupFate]
    GROUP_FATE_NO_VARIANCE: _ClassVar[GroupFate]
    GROUP_FATE_SHRUNK: _ClassVar[GroupFate]
    GROUP_FATE_DROPPED: _ClassVar[GroupFate]
    GROUP_FATE_EVALUATED: _ClassVar[GroupFate]
    GROUP_FATE_SURPLUS: _ClassVar[GroupFate]
GROUP_FATE_UNSPECIFIED: GroupFate
GROUP_FATE_KEPT: GroupFate
GROUP_FATE_NO_VARIANCE: GroupFate
GROUP_FATE_SHRUNK: GroupFate
GROUP_FATE_DROPPED: GroupFate
GROUP_FATE_EVALUATED: GroupFate
GROUP_FATE_SURPLUS: GroupFate

class LedgerEntry(_message.Message):
    __slots__ = ("run_id", "at_ms", "run_started", "stage_entered", "group_opened", "group_closed", "step_formed", "step_committed", "eval_finished", "gate_decided", "stage_finished", "run_ended", "run_resumed", "versions_moved", "stop_requested", "result_refused", "stage_fact", "files_damaged", "artefact_left", "run_queued", "elapsed_ms")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    RUN_STARTED_FIELD_NUMBER: _ClassVar[int]
    STAGE_ENTERED_FIELD_NUMBER: _ClassVar[int]
    GROUP_OPENED_FIELD_NUMBER: _ClassVar[int]
    GROUP_CLOSED_FIELD_NUMBER: _ClassVar[int]
    STEP_FORMED_FIELD_NUMBER: _ClassVar[int]
    STEP_COMMITTED_FIELD_NUMBER: _ClassVar[int]
    EVAL_FINISHED_FIELD_NUMBER: _ClassVar[int]
    GATE_DECIDED_FIELD_NUMBER: _ClassVar[int]
    STAGE_FINISHED_FIELD_NUMBER: _ClassVar[int]
    RUN_ENDED_FIELD_NUMBER: _ClassVar[int]
    RUN_RESUMED_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_MOVED_FIELD_NUMBER: _ClassVar[int]
    STOP_REQUESTED_FIELD_NUMBER: _ClassVar[int]
    RESULT_REFUSED_FIELD_NUMBER: _ClassVar[int]
    STAGE_FACT_FIELD_NUMBER: _ClassVar[int]
    FILES_DAMAGED_FIELD_NUMBER: _ClassVar[int]
    ARTEFACT_LEFT_FIELD_NUMBER: _ClassVar[int]
    RUN_QUEUED_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_MS_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    at_ms: int
    run_started: RunStarted
    stage_entered: StageEntered
    group_opened: GroupOpened
    group_closed: GroupClosed
    step_formed: StepFormed
    step_committed: StepCommitted
    eval_finished: EvalFinished
    gate_decided: GateDecided
    stage_finished: StageFinished
    run_ended: RunEnded
    run_resumed: RunResumed
    versions_moved: VersionsMoved
    stop_requested: StopRequested
    result_refused: ResultRefused
    stage_fact: StageFact
    files_damaged: FilesDamaged
    artefact_left: ArtefactLeft
    run_queued: RunQueued
    elapsed_ms: int
    def __init__(self, run_id: _Optional[str] = ..., at_ms: _Optional[int] = ..., run_started: _Optional[_Union[RunStarted, _Mapping]] = ..., stage_entered: _Optional[_Union[StageEntered, _Mapping]] = ..., group_opened: _Optional[_Union[GroupOpened, _Mapping]] = ..., group_closed: _Optional[_Union[GroupClosed, _Mapping]] = ..., step_formed: _Optional[_Union[StepFormed, _Mapping]] = ..., step_committed: _Optional[_Union[StepCommitted, _Mapping]] = ..., eval_finished: _Optional[_Union[EvalFinished, _Mapping]] = ..., gate_decided: _Optional[_Union[GateDecided, _Mapping]] = ..., stage_finished: _Optional[_Union[StageFinished, _Mapping]] = ..., run_ended: _Optional[_Union[RunEnded, _Mapping]] = ..., run_resumed: _Optional[_Union[RunResumed, _Mapping]] = ..., versions_moved: _Optional[_Union[VersionsMoved, _Mapping]] = ..., stop_requested: _Optional[_Union[StopRequested, _Mapping]] = ..., result_refused: _Optional[_Union[ResultRefused, _Mapping]] = ..., stage_fact: _Optional[_Union[StageFact, _Mapping]] = ..., files_damaged: _Optional[_Union[FilesDamaged, _Mapping]] = ..., artefact_left: _Optional[_Union[ArtefactLeft, _Mapping]] = ..., run_queued: _Optional[_Union[RunQueued, _Mapping]] = ..., elapsed_ms: _Optional[int] = ...) -> None: ...

class RunQueued(_message.Message):
    __slots__ = ("recipe_json", "directory", "recipe_hash", "seed", "fleet_id", "inputs", "priority", "accept_changed")
    RECIPE_JSON_FIELD_NUMBER: _ClassVar[int]
    DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    RECIPE_HASH_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    FLEET_ID_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_CHANGED_FIELD_NUMBER: _ClassVar[int]
    recipe_json: str
    directory: str
    recipe_hash: str
    seed: int
    fleet_id: str
    inputs: _containers.RepeatedCompositeFieldContainer[InputDigest]
    priority: int
    accept_changed: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, recipe_json: _Optional[str] = ..., directory: _Optional[str] = ..., recipe_hash: _Optional[str] = ..., seed: _Optional[int] = ..., fleet_id: _Optional[str] = ..., inputs: _Optional[_Iterable[_Union[InputDigest, _Mapping]]] = ..., priority: _Optional[int] = ..., accept_changed: _Optional[_Iterable[str]] = ...) -> None: ...

class RunStarted(_message.Message):
    __slots__ = ("recipe_json", "recipe_hash", "seed", "directory", "fleet_id", "holder", "inputs", "priority")
    RECIPE_JSON_FIELD_NUMBER: _ClassVar[int]
    RECIPE_HASH_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    FLEET_ID_FIELD_NUMBER: _ClassVar[int]
    HOLDER_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    recipe_json: str
    recipe_hash: str
    seed: int
    directory: str
    fleet_id: str
    holder: str
    inputs: _containers.RepeatedCompositeFieldContainer[InputDigest]
    priority: int
    def __init__(self, recipe_json: _Optional[str] = ..., recipe_hash: _Optional[str] = ..., seed: _Optional[int] = ..., directory: _Optional[str] = ..., fleet_id: _Optional[str] = ..., holder: _Optional[str] = ..., inputs: _Optional[_Iterable[_Union[InputDigest, _Mapping]]] = ..., priority: _Optional[int] = ...) -> None: ...

class InputDigest(_message.Message):
    __slots__ = ("name", "path", "digest", "size_bytes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    path: str
    digest: str
    size_bytes: int
    def __init__(self, name: _Optional[str] = ..., path: _Optional[str] = ..., digest: _Optional[str] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class AcceptedChange(_message.Message):
    __slots__ = ("name", "path", "recorded_digest", "found_digest", "recorded_size_bytes", "found_size_bytes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    RECORDED_DIGEST_FIELD_NUMBER: _ClassVar[int]
    FOUND_DIGEST_FIELD_NUMBER: _ClassVar[int]
    RECORDED_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    FOUND_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    path: str
    recorded_digest: str
    found_digest: str
    recorded_size_bytes: int
    found_size_bytes: int
    def __init__(self, name: _Optional[str] = ..., path: _Optional[str] = ..., recorded_digest: _Optional[str] = ..., found_digest: _Optional[str] = ..., recorded_size_bytes: _Optional[int] = ..., found_size_bytes: _Optional[int] = ...) -> None: ...

class RunResumed(_message.Message):
    __slots__ = ("learner_step", "holder", "fleet_id", "directory", "recipe_json", "inputs", "accepted", "taken_over", "priority")
    LEARNER_STEP_FIELD_NUMBER: _ClassVar[int]
    HOLDER_FIELD_NUMBER: _ClassVar[int]
    FLEET_ID_FIELD_NUMBER: _ClassVar[int]
    DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    RECIPE_JSON_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    TAKEN_OVER_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    learner_step: int
    holder: str
    fleet_id: str
    directory: str
    recipe_json: str
    inputs: _containers.RepeatedCompositeFieldContainer[InputDigest]
    accepted: _containers.RepeatedCompositeFieldContainer[AcceptedChange]
    taken_over: bool
    priority: int
    def __init__(self, learner_step: _Optional[int] = ..., holder: _Optional[str] = ..., fleet_id: _Optional[str] = ..., directory: _Optional[str] = ..., recipe_json: _Optional[str] = ..., inputs: _Optional[_Iterable[_Union[InputDigest, _Mapping]]] = ..., accepted: _Optional[_Iterable[_Union[AcceptedChange, _Mapping]]] = ..., taken_over: _Optional[bool] = ..., priority: _Optional[int] = ...) -> None: ...

class StopRequested(_message.Message):
    __slots__ = ("now", "reason", "holder")
    NOW_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    HOLDER_FIELD_NUMBER: _ClassVar[int]
    now: bool
    reason: str
    holder: str
    def __init__(self, now: _Optional[bool] = ..., reason: _Optional[str] = ..., holder: _Optional[str] = ...) -> None: ...

class ResultRefused(_message.Message):
    __slots__ = ("task_id", "attempt", "reason", "worker_id")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    attempt: int
    reason: str
    worker_id: str
    def __init__(self, task_id: _Optional[str] = ..., attempt: _Optional[int] = ..., reason: _Optional[str] = ..., worker_id: _Optional[str] = ...) -> None: ...

class FilesDamaged(_message.Message):
    __slots__ = ("files", "learner_step")
    FILES_FIELD_NUMBER: _ClassVar[int]
    LEARNER_STEP_FIELD_NUMBER: _ClassVar[int]
    files: _containers.RepeatedScalarFieldContainer[str]
    learner_step: int
    def __init__(self, files: _Optional[_Iterable[str]] = ..., learner_step: _Optional[int] = ...) -> None: ...

class StageEntered(_message.Message):
    __slots__ = ("stage", "stage_index")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    STAGE_INDEX_FIELD_NUMBER: _ClassVar[int]
    stage: str
    stage_index: int
    def __init__(self, stage: _Optional[str] = ..., stage_index: _Optional[int] = ...) -> None: ...

class StageFact(_message.Message):
    __slots__ = ("stage", "kind", "json", "new_branch")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    NEW_BRANCH_FIELD_NUMBER: _ClassVar[int]
    stage: str
    kind: str
    json: str
    new_branch: bool
    def __init__(self, stage: _Optional[str] = ..., kind: _Optional[str] = ..., json: _Optional[str] = ..., new_branch: _Optional[bool] = ...) -> None: ...

class ArtefactLeft(_message.Message):
    __slots__ = ("stage", "artefact", "digest")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    ARTEFACT_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    stage: str
    artefact: str
    digest: str
    def __init__(self, stage: _Optional[str] = ..., artefact: _Optional[str] = ..., digest: _Optional[str] = ...) -> None: ...

class GroupOpened(_message.Message):
    __slots__ = ("group_id", "stage", "step", "purpose", "question_id", "task_ids", "evaluation")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    QUESTION_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_IDS_FIELD_NUMBER: _ClassVar[int]
    EVALUATION_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    stage: str
    step: int
    purpose: _task_pb2.Purpose
    question_id: str
    task_ids: _containers.RepeatedScalarFieldContainer[str]
    evaluation: str
    def __init__(self, group_id: _Optional[str] = ..., stage: _Optional[str] = ..., step: _Optional[int] = ..., purpose: _Optional[_Union[_task_pb2.Purpose, str]] = ..., question_id: _Optional[str] = ..., task_ids: _Optional[_Iterable[str]] = ..., evaluation: _Optional[str] = ...) -> None: ...

class RoleOutcome(_message.Message):
    __slots__ = ("role", "reward", "advantage", "truncated", "trained")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    REWARD_FIELD_NUMBER: _ClassVar[int]
    ADVANTAGE_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    TRAINED_FIELD_NUMBER: _ClassVar[int]
    role: str
    reward: float
    advantage: float
    truncated: bool
    trained: bool
    def __init__(self, role: _Optional[str] = ..., reward: _Optional[float] = ..., advantage: _Optional[float] = ..., truncated: _Optional[bool] = ..., trained: _Optional[bool] = ...) -> None: ...

class SampleOutcome(_message.Message):
    __slots__ = ("task_id", "reward", "advantage", "trajectory_sequence", "truncated", "cancelled", "components", "roles")
    class ComponentsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    REWARD_FIELD_NUMBER: _ClassVar[int]
    ADVANTAGE_FIELD_NUMBER: _ClassVar[int]
    TRAJECTORY_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    reward: float
    advantage: float
    trajectory_sequence: int
    truncated: bool
    cancelled: bool
    components: _containers.ScalarMap[str, float]
    roles: _containers.RepeatedCompositeFieldContainer[RoleOutcome]
    def __init__(self, task_id: _Optional[str] = ..., reward: _Optional[float] = ..., advantage: _Optional[float] = ..., trajectory_sequence: _Optional[int] = ..., truncated: _Optional[bool] = ..., cancelled: _Optional[bool] = ..., components: _Optional[_Mapping[str, float]] = ..., roles: _Optional[_Iterable[_Union[RoleOutcome, _Mapping]]] = ...) -> None: ...

class GroupClosed(_message.Message):
    __slots__ = ("group_id", "fate", "samples", "judged")
    class JudgedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: GroupJudged
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[GroupJudged, _Mapping]] = ...) -> None: ...
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    FATE_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    JUDGED_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    fate: GroupFate
    samples: _containers.RepeatedCompositeFieldContainer[SampleOutcome]
    judged: _containers.MessageMap[str, GroupJudged]
    def __init__(self, group_id: _Optional[str] = ..., fate: _Optional[_Union[GroupFate, str]] = ..., samples: _Optional[_Iterable[_Union[SampleOutcome, _Mapping]]] = ..., judged: _Optional[_Mapping[str, GroupJudged]] = ...) -> None: ...

class GroupJudged(_message.Message):
    __slots__ = ("planned", "judged", "by_rule", "missing", "judgements", "cached", "position_bias", "inconsistency", "absences")
    class AbsencesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    PLANNED_FIELD_NUMBER: _ClassVar[int]
    JUDGED_FIELD_NUMBER: _ClassVar[int]
    BY_RULE_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    JUDGEMENTS_FIELD_NUMBER: _ClassVar[int]
    CACHED_FIELD_NUMBER: _ClassVar[int]
    POSITION_BIAS_FIELD_NUMBER: _ClassVar[int]
    INCONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    ABSENCES_FIELD_NUMBER: _ClassVar[int]
    planned: int
    judged: int
    by_rule: int
    missing: int
    judgements: int
    cached: int
    position_bias: float
    inconsistency: float
    absences: _containers.ScalarMap[str, int]
    def __init__(self, planned: _Optional[int] = ..., judged: _Optional[int] = ..., by_rule: _Optional[int] = ..., missing: _Optional[int] = ..., judgements: _Optional[int] = ..., cached: _Optional[int] = ..., position_bias: _Optional[float] = ..., inconsistency: _Optional[float] = ..., absences: _Optional[_Mapping[str, int]] = ...) -> None: ...

class StepFormed(_message.Message):
    __slots__ = ("step", "stage", "stage_step", "samples", "metrics", "group_sizes")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    STEP_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    STAGE_STEP_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    GROUP_SIZES_FIELD_NUMBER: _ClassVar[int]
    step: int
    stage: str
    stage_step: int
    samples: _containers.RepeatedCompositeFieldContainer[SampleOutcome]
    metrics: _containers.ScalarMap[str, float]
    group_sizes: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, step: _Optional[int] = ..., stage: _Optional[str] = ..., stage_step: _Optional[int] = ..., samples: _Optional[_Iterable[_Union[SampleOutcome, _Mapping]]] = ..., metrics: _Optional[_Mapping[str, float]] = ..., group_sizes: _Optional[_Iterable[int]] = ...) -> None: ...

class StepCommitted(_message.Message):
    __slots__ = ("step", "version", "weights_path", "checkpoint_path", "metrics", "not_finite", "weights_digest")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    STEP_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_PATH_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_PATH_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    NOT_FINITE_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    step: int
    version: int
    weights_path: str
    checkpoint_path: str
    metrics: _containers.ScalarMap[str, float]
    not_finite: _containers.RepeatedScalarFieldContainer[str]
    weights_digest: str
    def __init__(self, step: _Optional[int] = ..., version: _Optional[int] = ..., weights_path: _Optional[str] = ..., checkpoint_path: _Optional[str] = ..., metrics: _Optional[_Mapping[str, float]] = ..., not_finite: _Optional[_Iterable[str]] = ..., weights_digest: _Optional[str] = ...) -> None: ...

class EvalFinished(_message.Message):
    __slots__ = ("stage", "name", "metrics")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    STAGE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    stage: str
    name: str
    metrics: _containers.ScalarMap[str, float]
    def __init__(self, stage: _Optional[str] = ..., name: _Optional[str] = ..., metrics: _Optional[_Mapping[str, float]] = ...) -> None: ...

class GateDecided(_message.Message):
    __slots__ = ("stage", "passed", "reason", "action")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    PASSED_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    stage: str
    passed: bool
    reason: str
    action: str
    def __init__(self, stage: _Optional[str] = ..., passed: _Optional[bool] = ..., reason: _Optional[str] = ..., action: _Optional[str] = ...) -> None: ...

class StageFinished(_message.Message):
    __slots__ = ("stage", "steps", "reason")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    stage: str
    steps: int
    reason: str
    def __init__(self, stage: _Optional[str] = ..., steps: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class RunEnded(_message.Message):
    __slots__ = ("state", "message")
    STATE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    state: str
    message: str
    def __init__(self, state: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class VersionsMoved(_message.Message):
    __slots__ = ("by",)
    BY_FIELD_NUMBER: _ClassVar[int]
    by: int
    def __init__(self, by: _Optional[int] = ...) -> None: ...
