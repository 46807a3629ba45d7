# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest

from calib_tools.buffer.bags import Bag
from quantvla_ros.errors import QuantVLAError


@pytest.mark.parametrize("mcap", [True, False])
def test_messages_come_in_the_order_recorded(tmp_path, config, streams, mcap):
    stream = streams.robot(6)
    bag = Bag(streams.bag(tmp_path / "bag", stream, mcap), config.topics())
    assert len(bag) == len(stream)
    assert list(bag.messages()) == stream


NAMES = [
    "run #3", "50%20done", "what?now", "it's [1]", 'a"b', "a:b", "{x}*", "-dash", "file:x", "ä",
]  # fmt: skip


@pytest.mark.parametrize("mcap", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_any_name_of_a_folder_and_its_files(
    tmp_path, monkeypatch, config, streams, recorded, mcap, name
):
    """Whatever stands for something else in a URI, a pattern or an option."""
    ending = "mcap" if mcap else "db3"
    folder = tmp_path / name
    shutil.copytree(recorded[mcap], folder)
    (folder / f"bag.{ending}").rename(folder / f"{name}.{ending}")
    text = (folder / "metadata.yaml").read_text()
    (folder / "metadata.yaml").write_text(
        text.replace(f"bag.{ending}", json.dumps(f"{name}.{ending}"))
    )
    # What a URI would name instead: another recording, beside it and with the same topics.
    for decoy in {name.split("#")[0], name.split("?")[0], unquote(name)} - {name}:
        streams.bag(tmp_path / decoy, streams.robot(3), mcap)
    monkeypatch.chdir(tmp_path)
    assert list(Bag(Path(name), config.topics()).messages()) == streams.robot(6)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, streams):
    """The same stream as MCAP (True) and as SQLite3 (False)."""
    places = {mcap: tmp_path_factory.mktemp("recorded") / "bag" for mcap in (True, False)}
    return {mcap: streams.bag(path, streams.robot(6), mcap) for mcap, path in places.items()}


def test_other_topics_are_left_out(tmp_path, config, streams):
    stream = streams.robot(6)
    other = type(stream[0])("/other", stream[0].msgtype, stream[0].data)
    bag = Bag(streams.bag(tmp_path / "bag", [*stream, other]), config.topics())
    assert list(bag.messages()) == stream


def test_a_missing_topic_is_named_with_those_that_are_there(tmp_path, config, streams):
    stream = [m for m in streams.robot(6) if m.topic != "/wrist/image_raw"]
    path = streams.bag(tmp_path / "bag", stream)
    with pytest.raises(
        QuantVLAError, match=r"'/wrist/image_raw'.*/front/image_raw, /instruction, /joint_states"
    ):
        Bag(path, config.topics())


def test_a_topic_of_another_type_is_named(tmp_path, config, streams):
    stream = [m for m in streams.robot(6) if m.topic != "/wrist/image_raw"]
    text = streams.instruction("no picture")
    stream.append(type(text)("/wrist/image_raw", text.msgtype, text.data))
    path = streams.bag(tmp_path / "bag", stream)
    with pytest.raises(QuantVLAError, match=r"'/wrist/image_raw'.*std_msgs/msg/String.*Image"):
        Bag(path, config.topics())


def test_a_directory_that_is_no_bag(tmp_path, config):
    with pytest.raises(QuantVLAError, match=r"metadata\.yaml"):
        Bag(tmp_path, config.topics())


@pytest.mark.parametrize("mcap", [True, False])
def test_a_truncated_bag_is_one_sentence(tmp_path, config, streams, mcap):
    path = streams.bag(tmp_path / "bag", streams.robot(30), mcap)
    data = next(path.glob("*.mcap" if mcap else "*.db3"))
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    with pytest.raises(QuantVLAError, match=str(path)):
        list(Bag(path, config.topics()).messages())
