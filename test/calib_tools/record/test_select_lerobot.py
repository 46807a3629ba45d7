# SPDX-License-Identifier: Apache-2.0
"""LeRobot data sets of both versions as a source: the samples are the frames that they hold."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.made_checkpoints import JOINTS, robot_file

pytest.importorskip("rclpy")  # pictures are decoded as the node does

import cv2
import pyarrow as pa
import pyarrow.parquet as pq

from calib_tools.buffer.lerobot.video import VideoFrames
from calib_tools.buffer.store import load_buffer
from calib_tools.record.robot_sources import read_sources
from calib_tools.record.select import select
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.robot.robot_file import read_robot

FPS, LENGTH, EPISODES, SIZE = 10, 60, 2, (48, 64)
AV1 = Path(__file__).parents[2] / "data/lerobot/two_episodes_av1.mp4"
"""Both episodes, written with PyAV 18.1."""
SLOTS = ("front", "wrist")
TASKS = ("pick up the cube", "open the drawer")


def state(episode, frame):
    """rad, deg, percent of the jaw's way."""
    return [0.02 * frame + episode, 2.0 * frame - 40, float(frame)]


def grey(episode, frame):
    return 230 - 3 * frame if episode else 30 + 3 * frame


def write_video(file, episodes):
    """Frames of one grey each, in one file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    out = cv2.VideoWriter(str(file), cv2.VideoWriter_fourcc(*"mp4v"), FPS, SIZE[::-1])
    for episode in episodes:
        for frame in range(LENGTH):
            out.write(np.full((*SIZE, 3), grey(episode, frame), np.uint8))
    out.release()


def write_rows(file, episodes):
    file.parent.mkdir(parents=True, exist_ok=True)
    frames = [(e, f) for e in episodes for f in range(LENGTH)]
    columns = {
        "observation.state": [state(e, f) for e, f in frames],
        "episode_index": [e for e, _ in frames],
        "frame_index": [f for _, f in frames],
        "task_index": [e for e, _ in frames],
    }
    pq.write_table(pa.table(columns), file)


def info(path, version, **paths):
    features = {f"observation.images.{slot}": {"dtype": "video"} for slot in SLOTS}
    named = {"dtype": "float32", "shape": [3], "names": {"motors": list(JOINTS)}}
    content = {
        "codebase_version": version,
        "fps": FPS,
        "chunks_size": 1000,
        "features": {**features, "observation.state": named},
        **paths,
    }
    (path / "meta").mkdir(parents=True)
    (path / "meta/info.json").write_text(json.dumps(content))


def old_data_set(path):
    data = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
    video = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
    info(path, "v2.1", data_path=data, video_path=video)
    lines = [{"episode_index": e, "tasks": [TASKS[e]], "length": LENGTH} for e in range(EPISODES)]
    (path / "meta/episodes.jsonl").write_text("\n".join(map(json.dumps, lines)))
    tasks = [{"task_index": i, "task": task} for i, task in enumerate(TASKS)]
    (path / "meta/tasks.jsonl").write_text("\n".join(map(json.dumps, tasks)))
    for e in range(EPISODES):
        place = {"episode_chunk": 0, "episode_index": e}
        write_rows(path / data.format(**place), [e])
        for slot in SLOTS:
            key = f"observation.images.{slot}"
            write_video(path / video.format(video_key=key, **place), [e])


def new_data_set(path):
    data = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
    video = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
    info(path, "v3.0", data_path=data, video_path=video)
    tasks = {"task_index": [0, 1], "__index_level_0__": list(TASKS)}
    pq.write_table(pa.table(tasks), path / "meta/tasks.parquet")
    episodes = {"episode_index": [0, 1], "length": [LENGTH] * 2}
    for part in ("data", *(f"videos/observation.images.{slot}" for slot in SLOTS)):
        episodes |= {f"{part}/chunk_index": [0, 0], f"{part}/file_index": [0, 0]}
    for slot in SLOTS:
        starts = [e * LENGTH / FPS for e in range(EPISODES)]
        episodes[f"videos/observation.images.{slot}/from_timestamp"] = starts
    (path / "meta/episodes/chunk-000").mkdir(parents=True)
    pq.write_table(pa.table(episodes), path / "meta/episodes/chunk-000/file-000.parquet")
    place = {"chunk_index": 0, "file_index": 0}
    write_rows(path / data.format(**place), range(EPISODES))
    for slot in SLOTS:
        key = f"observation.images.{slot}"
        write_video(path / video.format(video_key=key, **place), range(EPISODES))


@pytest.fixture
def robot(tmp_path):
    file = robot_file(tmp_path / "robot.yaml")
    return read_sources(None, str(file)), read_robot(str(file), tmp_path)


def av1_data_set(path):
    """Videos as LeRobot writes them by default: AV1 by SVT-AV1, a key frame in two, crf 30."""
    new_data_set(path)
    for video in path.rglob("*.mp4"):
        shutil.copyfile(AV1, video)


@pytest.mark.parametrize("make", [old_data_set, new_data_set, av1_data_set])
def test_samples_are_the_data_sets_frames_in_si(tmp_path, robot, make):
    make(tmp_path / "data")
    config, known = robot
    select([tmp_path / "data"], config, tmp_path / "buffer", 32, False, robot=known)
    buffer = load_buffer(tmp_path / "buffer")
    samples = buffer.samples
    assert len(samples) == 32
    assert {sample.instruction for sample in samples} == set(TASKS)
    for sample in samples:
        episode = TASKS.index(sample.instruction)
        frame = round((sample.joints[0] - episode) / 0.02)
        own = state(episode, frame)
        expected = [own[0], np.radians(own[1]), 0.04 * own[2] / 100]
        np.testing.assert_allclose(sample.joints, expected, atol=1e-5)
        for slot in SLOTS:
            picture = sample.images[slot]
            assert picture.shape == (*SIZE, 3)
            assert abs(float(picture.mean()) - grey(episode, frame)) < 4


def test_what_does_not_fit_is_one_sentence(tmp_path, robot):
    config, known = robot
    old_data_set(tmp_path / "data")
    order = ([tmp_path / "data"], config, tmp_path / "buffer", 32, False)
    with pytest.raises(QuantVLAError, match="give the robot by --robot"):
        select(*order)
    other = robot_file(tmp_path / "other.yaml", cameras={"side": "side/image_raw"})
    with pytest.raises(QuantVLAError, match=r"no video of camera 'side'.*it has front, wrist"):
        sources = read_sources(None, str(other))
        select(order[0], sources, *order[2:], robot=read_robot(str(other), tmp_path))
    next((tmp_path / "data").rglob("*.mp4")).write_bytes(b"no video")
    with pytest.raises(QuantVLAError, match="cannot be decoded here; copy it again"):
        select(*order, robot=known)
    file = tmp_path / "data/meta/info.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"codebase_version": "v1.0"}))
    with pytest.raises(QuantVLAError, match=r"codebase_version v1\.0"):
        select(*order, robot=known)
    assert not (tmp_path / "buffer").exists()


class NoDecoder:
    """An OpenCV that cannot open a video."""

    @staticmethod
    def VideoCapture(file):  # noqa: N802, as OpenCV calls it
        return cv2.VideoCapture("nothing.mp4")


def test_without_a_decoder_of_av1_it_says_what_to_install(monkeypatch):
    frames = VideoFrames()
    monkeypatch.setattr(frames, "_cv2", NoDecoder)
    with pytest.raises(QuantVLAError, match=r"\(AV1\) cannot be decoded.*opencv-python>=4.14"):
        frames.picture(AV1, 0)
