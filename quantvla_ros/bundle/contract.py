# SPDX-License-Identifier: Apache-2.0
"""What an import understood of a checkpoint: the contract between policy and robot, for a reader.

Nothing computes with it; a bundle carries it so that a person can look it up later.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CameraLine(_Model):
    """One picture: slot, the checkpoint's name for it, the robot's topic, the network's size."""

    slot: str
    key: str
    topic: str
    height: int
    width: int


class ValueLine(_Model):
    """One state or action.

    Attributes:
        name: the policy's word.
        joint: the robot's; empty for the tip.
        unit: what the policy counts in.
        group: of the robot.
        counted: ``absolute``, ``relative to the state``, ``velocity from the state on``, ``pose of
            the tip`` or ``step of the tip``; empty for a state.
        scaled: how it is normalized, with its numbers in the policy's unit.
    """

    name: str
    joint: str
    unit: str
    group: str
    counted: str
    scaled: str


class Contract(_Model):
    """All of it.

    Attributes:
        checkpoint: name of its directory.
        cameras: that the robot has, in the network's order.
        absent: pictures of the checkpoint that the robot does not have.
        state: in the policy's order.
        action: in the policy's order.
        rate: rows of a chunk a second, Hz.
        instruction: an example.
        prompt: what the network reads of it at the mean state, special tokens included.
        tokens: how many those are.
        notes: what a user should know, a sentence each.
    """

    checkpoint: str
    cameras: list[CameraLine]
    absent: list[str]
    state: list[ValueLine]
    action: list[ValueLine]
    rate: float
    instruction: str
    prompt: str
    tokens: int
    notes: list[str]
