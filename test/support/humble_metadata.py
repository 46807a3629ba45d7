# SPDX-License-Identifier: Apache-2.0
"""What rosbag2 of Humble asks of a `metadata.yaml`, key by key, as its parser does.

Its parser (yaml-cpp) throws where a key is missing or its value is of another kind, and
`ros2 bag info` and `ros2 bag play` then say "bad conversion". It knows version 5 and takes every
later one for 5, so keys that came later do not disturb it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


def humble_problems(bag: Path) -> list[str]:
    """Keys of a bag's `metadata.yaml` that Humble cannot read; none when it opens the bag."""
    content = yaml.safe_load((bag / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    problems: list[str] = []

    def ask(node: Any, where: str, key: str, kind: type) -> Any:
        value = node.get(key) if isinstance(node, dict) else None
        if type(value) is not kind:
            problems.append(f"{where}{key}: {value!r} is no {kind.__name__}")
        return value

    ask(content, "", "version", int)
    ask(content, "", "storage_identifier", str)
    ask(ask(content, "", "duration", dict), "duration.", "nanoseconds", int)
    start = ask(content, "", "starting_time", dict)
    ask(start, "starting_time.", "nanoseconds_since_epoch", int)
    ask(content, "", "message_count", int)
    for topic in ask(content, "", "topics_with_message_count", list) or []:
        ask(topic, "topic.", "message_count", int)
        about = ask(topic, "topic.", "topic_metadata", dict)
        for key in ("name", "type", "serialization_format", "offered_qos_profiles"):
            ask(about, "topic_metadata.", key, str)
    for key in ("compression_format", "compression_mode"):
        ask(content, "", key, str)
    for name in ask(content, "", "relative_file_paths", list) or []:
        if not (bag / str(name)).is_file():
            problems.append(f"relative_file_paths: no file '{name}'")
    for file in ask(content, "", "files", list) or []:
        ask(file, "files.", "path", str)
        ask(ask(file, "files.", "starting_time", dict), "files.", "nanoseconds_since_epoch", int)
        ask(ask(file, "files.", "duration", dict), "files.", "nanoseconds", int)
        ask(file, "files.", "message_count", int)
    return problems
