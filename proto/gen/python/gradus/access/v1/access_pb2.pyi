from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor

class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLE_UNSPECIFIED: _ClassVar[Role]
    ROLE_COORDINATOR: _ClassVar[Role]
    ROLE_ROLLOUT: _ClassVar[Role]
    ROLE_POLICY: _ClassVar[Role]
    ROLE_ENGINE: _ClassVar[Role]
    ROLE_RETRIEVAL: _ClassVar[Role]
    ROLE_REWARD: _ClassVar[Role]
    ROLE_LEARNER: _ClassVar[Role]
    ROLE_NATS: _ClassVar[Role]
    ROLE_OPERATOR: _ClassVar[Role]
    ROLE_VIEWER: _ClassVar[Role]
    ROLE_METRICS: _ClassVar[Role]
    ROLE_ARTEFACTS: _ClassVar[Role]
ROLE_UNSPECIFIED: Role
ROLE_COORDINATOR: Role
ROLE_ROLLOUT: Role
ROLE_POLICY: Role
ROLE_ENGINE: Role
ROLE_RETRIEVAL: Role
ROLE_REWARD: Role
ROLE_LEARNER: Role
ROLE_NATS: Role
ROLE_OPERATOR: Role
ROLE_VIEWER: Role
ROLE_METRICS: Role
ROLE_ARTEFACTS: Role
SERVED_BY_FIELD_NUMBER: _ClassVar[int]
served_by: _descriptor.FieldDescriptor
CALLERS_FIELD_NUMBER: _ClassVar[int]
callers: _descriptor.FieldDescriptor
AUDITED_FIELD_NUMBER: _ClassVar[int]
audited: _descriptor.FieldDescriptor
