from gradus.access.v1 import access_pb2 as _access_pb2
from gradus.reward.v1 import group_pb2 as _group_pb2
from gradus.reward.v1 import reward_pb2 as _reward_pb2
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor
