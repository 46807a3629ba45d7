# SPDX-License-Identifier: Apache-2.0
"""A committed motion of all joints: piecewise polynomials that end at rest."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from quantvla_ros.control.limits import FloatArray
from quantvla_ros.control.timeline import PathState


@dataclass(frozen=True)
class Piece:
    """p(t) = sum(c[k] * t**k) for ``duration`` seconds; c has six coefficients."""

    duration: float
    coefficients: tuple[float, ...]

    def end(self) -> tuple[float, float, float]:
        """Position, velocity and acceleration at the end."""
        t, c = self.duration, self.coefficients
        position = c[0] + t * (c[1] + t * (c[2] + t * (c[3] + t * (c[4] + t * c[5]))))
        velocity = c[1] + t * (2 * c[2] + t * (3 * c[3] + t * (4 * c[4] + t * 5 * c[5])))
        return position, velocity, 2 * c[2] + t * (6 * c[3] + t * (12 * c[4] + t * 20 * c[5]))


Track = list[Piece]
"""Pieces of one joint, one after the other; after the last one the joint is at rest."""


def cut_track(track: Track, duration: float) -> Track:
    """The first ``duration`` seconds of a track."""
    kept: Track = []
    for piece in track:
        if duration <= 0:
            break
        kept.append(Piece(min(piece.duration, duration), piece.coefficients))
        duration -= piece.duration
    return kept


class Plan:
    """Motions of n joints that all start at ``start`` (s) and end in a rest that never ends."""

    def __init__(self, start: float, breaks: FloatArray, coefficients: FloatArray) -> None:
        """Take when pieces begin [n, S], s after ``start``, rising; their polynomials [n, S, 6].

        A joint with fewer pieces has infinite breaks after its own. The last piece with a finite
        break is its rest.
        """
        self.start = start
        self._breaks = breaks
        self._coefficients = coefficients
        self._joints = np.arange(len(breaks))
        self.end = start + float(breaks[np.isfinite(breaks)].max())

    @classmethod
    def resting(cls, position: FloatArray, start: float) -> Plan:
        """Rest at ``position`` [n] from ``start`` (s) on."""
        coefficients = np.zeros((len(position), 1, 6))
        coefficients[:, 0, 0] = position
        return cls(start, np.zeros((len(position), 1)), coefficients)

    def replaced(self, tracks: Mapping[int, Track], position: FloatArray) -> Plan:
        """The same motion but for some joints; one whose track is empty rests at ``position``."""
        width = max([self._breaks.shape[1], *(len(track) + 1 for track in tracks.values())])
        count = len(self._breaks)
        breaks = np.full((count, width), math.inf)
        coefficients = np.zeros((count, width, 6))
        breaks[:, : self._breaks.shape[1]] = self._breaks
        coefficients[:, : self._breaks.shape[1]] = self._coefficients
        for joint, track in tracks.items():
            breaks[joint], coefficients[joint] = math.inf, 0.0
            at = 0.0
            for k, piece in enumerate(track):
                breaks[joint, k], coefficients[joint, k] = at, piece.coefficients
                at += piece.duration
            breaks[joint, len(track)] = at
            coefficients[joint, len(track), 0] = track[-1].end()[0] if track else position[joint]
        return Plan(self.start, breaks, coefficients)

    def sample(self, times: FloatArray) -> PathState:
        """State of the joints at ``times`` [K], none before ``start``."""
        t = np.maximum(times - self.start, 0.0)
        piece = (t[:, None, None] >= self._breaks).sum(axis=2) - 1
        u = t[:, None] - self._breaks[self._joints, piece]
        c = self._coefficients[self._joints, piece]
        c0, c1, c2, c3, c4, c5 = (c[:, :, k] for k in range(6))
        position = c0 + u * (c1 + u * (c2 + u * (c3 + u * (c4 + u * c5))))
        velocity = c1 + u * (2 * c2 + u * (3 * c3 + u * (4 * c4 + u * (5 * c5))))
        acceleration = 2 * c2 + u * (6 * c3 + u * (12 * c4 + u * (20 * c5)))
        return PathState(position, velocity, acceleration)

    def rests(self, time: float) -> bool:
        """Whether nothing moves from ``time`` on."""
        ends = np.append(self._breaks[:, 1:], np.full((len(self._breaks), 1), math.inf), axis=1)
        later = (ends > self._breaks) & (ends > time - self.start)
        return not self._coefficients[later, 1:].any()

    def remainder(self, joint: int, time: float) -> Track:
        """What is left of one joint's motion from ``time`` on, without its rest."""
        skip = max(time - self.start, 0.0)
        breaks = self._breaks[joint]
        left: Track = []
        for k in range(int(np.isfinite(breaks).sum()) - 1):
            begins, ends = float(breaks[k]), float(breaks[k + 1])
            if ends > max(begins, skip):
                gone = max(skip - begins, 0.0)
                polynomial = self._coefficients[joint, k].tolist()
                left.append(Piece(ends - begins - gone, _shifted(polynomial, gone)))
        return left


def _shifted(polynomial: list[float], by: float) -> tuple[float, ...]:
    """Coefficients of the same polynomial with its time origin moved forward (Taylor shift)."""
    out = list(polynomial)
    for i in range(len(out) - 1):
        for k in range(len(out) - 2, i - 1, -1):
            out[k] += by * out[k + 1]
    return tuple(out)
