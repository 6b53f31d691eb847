"""Encode and decode the CRI messages used here, with protobuf types built from a table of fields.

Names and numbers are those of ``k8s.io/cri-api/pkg/apis/runtime/v1/api.proto``. Fields missing from the table are
skipped when a message is read.
"""

from __future__ import annotations

import functools
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

PACKAGE = "runtime.v1"

_SCALARS = {"string": 9, "int64": 3, "int32": 5, "bool": 8, "uint32": 13}
"""Scalar type → its number in descriptor.proto."""

FIELDS = {
    "Pair": "key=1 value=2",
    "VersionRequest": "version=1",
    "VersionResponse": "version=1 runtime_name=2 runtime_version=3 runtime_api_version=4",
    "StatusRequest": "verbose=1:bool",
    "StatusResponse": "status=1:RuntimeStatus",
    "RuntimeStatus": "conditions=1:RuntimeCondition*",
    "RuntimeCondition": "type=1 status=2:bool reason=3 message=4",
    "PodSandboxMetadata": "name=1 uid=2 namespace=3 attempt=4:uint32",
    "LinuxPodSandboxConfig": "cgroup_parent=1",
    "PodSandboxConfig": "metadata=1:PodSandboxMetadata hostname=2 labels=6:Pair* linux=8:LinuxPodSandboxConfig",
    "RunPodSandboxRequest": "config=1:PodSandboxConfig",
    "RunPodSandboxResponse": "pod_sandbox_id=1",
    "StopPodSandboxRequest": "pod_sandbox_id=1",
    "StopPodSandboxResponse": "",
    "RemovePodSandboxRequest": "pod_sandbox_id=1",
    "RemovePodSandboxResponse": "",
    "PodSandboxFilter": "label_selector=3:Pair*",
    "ListPodSandboxRequest": "filter=1:PodSandboxFilter",
    "ListPodSandboxResponse": "items=1:PodSandbox*",
    "PodSandbox": "id=1 metadata=2:PodSandboxMetadata",
    "ContainerMetadata": "name=1 attempt=2:uint32",
    "ImageSpec": "image=1",
    "Mount": "container_path=1 host_path=2 readonly=3:bool",
    "ContainerConfig": (
        "metadata=1:ContainerMetadata image=2:ImageSpec command=3* args=4* working_dir=5 envs=6:Pair* mounts=7:Mount* "
        "labels=9:Pair*"
    ),
    "CreateContainerRequest": "pod_sandbox_id=1 config=2:ContainerConfig sandbox_config=3:PodSandboxConfig",
    "CreateContainerResponse": "container_id=1",
    "StartContainerRequest": "container_id=1",
    "StartContainerResponse": "",
    "StopContainerRequest": "container_id=1 timeout=2:int64",
    "StopContainerResponse": "",
    "ContainerStatusRequest": "container_id=1",
    "ContainerStatusResponse": "status=1:ContainerStatus",
    "ContainerStatus": "id=1 state=3:int32 exit_code=7:int32 reason=10 message=11",
    "ListImagesRequest": "",
    "ListImagesResponse": "images=1:Image*",
    "Image": "id=1 repo_tags=2*",
    "RemoveImageRequest": "image=1:ImageSpec",
    "RemoveImageResponse": "",
}
"""Message → its fields as ``name=number[:type][*]``; the default type is ``string``, ``*`` means repeated.

Maps are written as lists of ``Pair``, which look the same on the wire. ``ContainerStatus.state`` is an enum, sent as
int32.
"""


def encode(name: str, values: dict[str, Any]) -> bytes:
    """Serialize a message given in the form that :func:`decode` returns.

    Raises:
        google.protobuf.json_format.ParseError: a field is unknown or has the wrong type.
    """
    data: bytes = json_format.ParseDict(values, _types()[name]()).SerializeToString()
    return data


def decode(name: str, data: bytes) -> dict[str, Any]:
    """Parse a message into its fields that are set: nested messages as dictionaries, 64-bit numbers as text."""
    found: dict[str, Any] = json_format.MessageToDict(
        _types()[name].FromString(data), preserving_proto_field_name=True
    )
    return found


def pairs(values: dict[str, str]) -> list[dict[str, str]]:
    """Write a map as the list of pairs that a message needs."""
    return [{"key": key, "value": value} for key, value in values.items()]


@functools.cache
def _types() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="tare-cri.proto", package=PACKAGE, syntax="proto3")
    for name, fields in FIELDS.items():
        message = file.message_type.add(name=name)
        for text in fields.split():
            field, _, rest = text.partition("=")
            number, _, kind = rest.rstrip("*").partition(":")
            added = message.field.add(name=field, number=int(number), label=3 if rest.endswith("*") else 1)
            kind = kind or "string"
            if kind in _SCALARS:
                added.type = _SCALARS[kind]
            else:
                added.type, added.type_name = 11, f".{PACKAGE}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))
        for name in FIELDS
    }
