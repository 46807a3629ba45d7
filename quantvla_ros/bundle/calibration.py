# SPDX-License-Identifier: Apache-2.0
"""Statistics of the calibration buffer in a bundle's manifest."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

LAYOUT_CELLS = 4
"""Cells along one side of `CameraStatistics.layout`."""

Positive = Annotated[FiniteFloat, Field(ge=0)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MeanSpread(_Model):
    """Mean and standard deviation over the pictures of a buffer."""

    mean: Positive
    spread: Positive


class CameraStatistics(_Model):
    """What the pictures of one camera had in common; see `bundle.pictures`.

    `brightness` is the mean of a picture, 0 to 255; `contrast` is the standard deviation of the
    brightness of its 4x4 cells; `colour` holds the shares of red, green and blue in the light of
    all pictures. `layout` tells where a picture is bright and where dark: the brightness of the
    cells, row by row, less their mean, of length one; `likeness` is how like it (cosine) the
    pictures were on average.
    """

    brightness: MeanSpread
    contrast: MeanSpread
    colour: list[Positive] = Field(min_length=3, max_length=3)
    layout: list[FiniteFloat] = Field(min_length=LAYOUT_CELLS**2, max_length=LAYOUT_CELLS**2)
    likeness: FiniteFloat = Field(le=1.001)


class Calibration(_Model):
    """The buffer that a bundle was quantized with: its instructions, and its pictures by camera."""

    instructions: list[str]
    cameras: dict[str, CameraStatistics]
