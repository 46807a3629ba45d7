# SPDX-License-Identifier: Apache-2.0
"""The calibration buffer on disk: a standard rosbag2 (MCAP) and `buffer.yaml` beside it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from calib_tools.buffer import messages
from calib_tools.buffer.collector import Counts, Sample
from calib_tools.buffer.sources import (
    INSTRUCTION,
    JOINT_STATE_TYPE,
    JOINTS,
    MINIMUM_SAMPLES,
    STRING_TYPE,
    CalibrationConfig,
    stored_topic,
)
from quantvla_ros.bundle.directory import written_directory
from quantvla_ros.errors import CalibrationBufferError
from quantvla_ros.robot.observation import Observation
from quantvla_ros.validation import first_problem

DESCRIPTION = "buffer.yaml"
SCHEMA_VERSION: Literal[1] = 1
HELD_OUT_EVERY = 4
"""Every fourth sample in time is held out: it judges the result and calibrates nothing."""

_BAG = "samples"
_BAG_VERSION: Literal[8] = 8
"""Of metadata.yaml: Humble reads QoS profiles as a text, which they are up to 8; Jazzy both."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SelectionCounts(_Model):
    """What became of the groups in the stream."""

    groups: int
    rejected: dict[str, int]
    near_duplicates: int
    surplus: int
    kept: int


class BufferDescription(_Model):
    """Content of `buffer.yaml`.

    Attributes:
        schema_version: version of this file.
        origin: "live topics", or the names of the bags.
        sources: the configuration it was made with.
        topics: source name -> topic in this bag.
        selection: see `SelectionCounts`.
        files: sha256 of every other file.
    """

    schema_version: Literal[1]
    origin: list[str]
    sources: CalibrationConfig
    topics: dict[str, str]
    selection: SelectionCounts
    files: dict[str, str]


@dataclass(frozen=True)
class CalibrationBuffer:
    """A buffer that has been read and checked.

    Attributes:
        path: its directory.
        description: content of `buffer.yaml`.
        samples: in the order of time.
        sha256: of `buffer.yaml`, which holds the hashes of the other files.
    """

    path: Path
    description: BufferDescription
    samples: list[Observation]
    sha256: str

    @property
    def calibration(self) -> list[Observation]:
        """Three samples of four."""
        return [s for i, s in enumerate(self.samples) if i % HELD_OUT_EVERY != HELD_OUT_EVERY - 1]

    @property
    def held_out(self) -> list[Observation]:
        """Every fourth sample; none of them calibrates."""
        return self.samples[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY]


def write_buffer(
    out: Path,
    config: CalibrationConfig,
    samples: Sequence[Sample],
    counts: Counts,
    origin: list[str],
    force: bool = False,
) -> BufferDescription:
    """Write a buffer whole, or nothing.

    Raises:
        OutputExistsError: `out` exists and `force` is False.
    """
    topics = {name: stored_topic(source.topic) for name, source in config.cameras.items()}
    topics[JOINTS] = config.joint_states.topic
    topics[INSTRUCTION] = config.instruction.topic
    with written_directory(out, force) as draft:
        _write_bag(draft / _BAG, config, topics, samples)
        for file in (draft / _BAG).iterdir():  # one flat directory, as the design names it
            file.rename(draft / file.name)
        (draft / _BAG).rmdir()
        description = BufferDescription(
            schema_version=SCHEMA_VERSION,
            origin=origin,
            sources=config,
            topics=topics,
            selection=SelectionCounts(
                groups=counts.groups,
                rejected=dict(counts.rejected),
                near_duplicates=counts.near_duplicates,
                surplus=counts.surplus,
                kept=len(samples),
            ),
            files={file.name: _sha256(file) for file in sorted(draft.iterdir())},
        )
        content = yaml.safe_dump(description.model_dump(mode="json"), sort_keys=False)
        (draft / DESCRIPTION).write_text(content)
    return description


def _write_bag(
    path: Path, config: CalibrationConfig, topics: dict[str, str], samples: Sequence[Sample]
) -> None:
    from rosbags.rosbag2 import StoragePlugin, Writer

    store = messages.type_store()
    with Writer(path, version=_BAG_VERSION, storage_plugin=StoragePlugin.MCAP) as writer:
        kinds = dict.fromkeys(config.cameras, messages.COMPRESSED_TYPE)
        kinds |= {JOINTS: JOINT_STATE_TYPE, INSTRUCTION: STRING_TYPE}
        connections = {
            name: writer.add_connection(topics[name], kind, typestore=store)
            for name, kind in kinds.items()
        }
        time = -1
        for sample in samples:
            # Several bags may come from several clocks; the order of samples must survive.
            time = max(time + 1, sample.stamp_ns)
            for name, png in sample.pictures.items():
                data = messages.compressed_image(sample.stamps_ns[name], name, png)
                writer.write(connections[name], time, data)
            state = messages.joint_state(
                sample.stamps_ns[JOINTS],
                config.joint_states.names,
                sample.position,
                sample.velocity,
            )
            writer.write(connections[JOINTS], time, state)
            writer.write(connections[INSTRUCTION], time, messages.string(sample.instruction))


def load_description(path: Path) -> BufferDescription:
    """Read and check `buffer.yaml` alone.

    Raises:
        CalibrationBufferError: no buffer, unknown schema or a damaged description.
    """
    try:
        content: Any = yaml.safe_load((path / DESCRIPTION).read_text(encoding="utf-8"))
    except OSError as error:
        raise CalibrationBufferError(
            f"'{path}' is no calibration buffer: {DESCRIPTION} cannot be read there; "
            "make one with `quantvla record` or `quantvla select`."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CalibrationBufferError(f"'{path / DESCRIPTION}' is damaged: no YAML.") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version != SCHEMA_VERSION:
        raise CalibrationBufferError(
            f"The buffer '{path}' has the schema version {version}; known is {SCHEMA_VERSION}."
        )
    try:
        return BufferDescription.model_validate(content)
    except ValidationError as error:
        raise CalibrationBufferError(
            f"'{path / DESCRIPTION}' is damaged at {first_problem(error)}."
        ) from error


def load_buffer(path: Path, joints: Sequence[str] | None = None) -> CalibrationBuffer:
    """Read a buffer and check every hash.

    Args:
        path: directory of the buffer.
        joints: order of the samples' joints, by their own or the policies' names; the buffer's own
            order when None.

    Raises:
        CalibrationBufferError: no buffer, a changed file, a joint missing, too few samples.
    """
    description = load_description(path)
    if description.selection.kept < MINIMUM_SAMPLES:
        raise CalibrationBufferError(
            f"The buffer '{path}' has {description.selection.kept} samples; at least "
            f"{MINIMUM_SAMPLES} are needed: record longer, or with a larger --samples."
        )
    for name, expected in description.files.items():
        file = path / name
        if not file.is_file():
            raise CalibrationBufferError(f"The buffer '{path}' lacks its file '{name}'.")
        if _sha256(file) != expected:
            raise CalibrationBufferError(
                f"'{file}' was changed after it was recorded (its sha256 differs); record again."
            )
    source = description.sources.joint_states
    names = [source.policy_names.get(name, name) for name in source.names]
    place = {name: i for own in (source.names, names) for i, name in enumerate(own)}
    missing = [joint for joint in joints or [] if joint not in place]
    if missing:
        raise CalibrationBufferError(
            f"The buffer '{path}' lacks the joint '{missing[0]}'; it has {', '.join(names)}."
        )
    order = [place[joint] for joint in (joints or names)]
    try:
        samples = _read_samples(path, description, order)
    except CalibrationBufferError:
        raise
    except Exception as error:  # rosbags and Pillow raise whatever they meet in damaged bytes
        raise CalibrationBufferError(
            f"The buffer '{path}' is damaged ({type(error).__name__} while its bag was read); "
            "record again."
        ) from error
    return CalibrationBuffer(path, description, samples, _sha256(path / DESCRIPTION))


def _read_samples(
    path: Path, description: BufferDescription, order: list[int]
) -> list[Observation]:
    from PIL import Image
    from rosbags.rosbag2 import Reader

    source_of = {topic: name for name, topic in description.topics.items()}
    columns: dict[str, list[Any]] = {name: [] for name in description.topics}
    with Reader(path) as reader:
        for connection, _, data in reader.messages():
            if connection.topic not in source_of:
                continue
            message = messages.RawMessage(connection.topic, connection.msgtype, bytes(data))
            columns[source_of[connection.topic]].append(messages.decode(message))
    kept = description.selection.kept
    for name, column in columns.items():
        if len(column) != kept:
            raise CalibrationBufferError(
                f"The buffer '{path}' has {len(column)} messages on "
                f"'{description.topics[name]}' for {kept} samples."
            )
    observations = []
    for i in range(kept):
        images = {}
        for name in description.sources.cameras:
            with Image.open(io.BytesIO(columns[name][i].data.tobytes())) as image:
                images[name] = np.array(image.convert("RGB"))
        first = columns[description.sources.reference][i].header.stamp
        observations.append(
            Observation(
                images=images,
                joints=columns[JOINTS][i].position[order].astype(np.float32),
                instruction=columns[INSTRUCTION][i].data,
                stamp=first.sec + 1e-9 * first.nanosec,
            )
        )
    return observations


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
