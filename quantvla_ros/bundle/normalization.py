# SPDX-License-Identifier: Apache-2.0
"""Normalization in a bundle's manifest: what the data was, and how values are scaled by it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

Deviation = Annotated[FiniteFloat, Field(gt=0)]
Row = list[FiniteFloat]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")


class ScaleRule(_Model):
    """How values become what the network knows, where that is not by mean and deviation alone.

    Attributes:
        kind: ``mean_std``: ``(x - mean) / (std + eps)``; ``min_max`` and ``quantiles``: the range
            from `low` to `high` becomes -1 to 1; ``identity``: values stay.
        low: [n], or one row for each step of a chunk [horizon][n]; of a range.
        high: of the same shape, not below `low`.
        eps: what keeps a division from being one by zero.
        eps_where: where a range is ``high - low + eps``: where its ends are ``equal``, or
            ``always``; ``zero``: where its ends are equal, values become 0 and come back as `low`.
        clip: whether normalized values are cut to -1..1, on the way in and on the way out.
    """

    kind: Literal["mean_std", "min_max", "quantiles", "identity"]
    low: Row | list[Row] = []
    high: Row | list[Row] = []
    eps: FiniteFloat = Field(default=0.0, ge=0)
    eps_where: Literal["equal", "always", "zero"] = "equal"
    clip: bool = False

    @property
    def is_range(self) -> bool:
        """Whether `low` and `high` are used."""
        return self.kind in ("min_max", "quantiles")

    @model_validator(mode="after")
    def _ends_fit(self) -> ScaleRule:
        if self.is_range != bool(self.low) or _shape(self.low) != _shape(self.high):
            raise ValueError(f"kind {self.kind} has low and high of one shape exactly for a range")
        for low, high in zip(_flat(self.low), _flat(self.high), strict=True):
            if low > high:
                raise ValueError(f"low is {low} and high is {high}")
        return self

    def check_fits(self, what: str, shape: tuple[int, ...]) -> None:
        """Refuse ends for another number of values.

        Args:
            what: for the sentence.
            shape: [n] or [horizon, n]; ends may be [n] in both cases.

        Raises:
            ValueError: they do not fit.
        """
        own = _shape(self.low)
        if self.is_range and own not in (shape, shape[-1:]):
            raise ValueError(f"{what}.low has shape {list(own)}, expected {list(shape)}")


class Normalization(_Model):
    """Means and standard deviations of the data: state [n], action [horizon][actions].

    They say where a policy was trained, whatever it scales by. `state` and `action` say how it
    scales where that is not ``(x - mean) / std``.
    """

    state_mean: list[FiniteFloat]
    state_std: list[Deviation]
    action_mean: list[Row]
    action_std: list[list[Deviation]]
    state: ScaleRule | None = Field(default=None, exclude_if=lambda rule: rule is None)
    action: ScaleRule | None = Field(default=None, exclude_if=lambda rule: rule is None)

    def check_fits(self, states: int, horizon: int, actions: int) -> None:
        """Refuse lists of another length.

        Args:
            states: values of the state vector.
            horizon: rows of a chunk.
            actions: values of a row.

        Raises:
            ValueError: naming the list.
        """
        _length("normalization.state_mean", self.state_mean, states)
        _length("normalization.state_std", self.state_std, states)
        for name, rows in (("action_mean", self.action_mean), ("action_std", self.action_std)):
            _length(f"normalization.{name}", rows, horizon)
            for row in rows:
                _length(f"a row of normalization.{name}", row, actions)
        if self.state is not None:
            self.state.check_fits("normalization.state", (states,))
        if self.action is not None:
            self.action.check_fits("normalization.action", (horizon, actions))


def _length(what: str, values: list[float] | list[Row], expected: int) -> None:
    if len(values) != expected:
        raise ValueError(f"{what} has {len(values)} entries, expected {expected}")


def _shape(values: Row | list[Row]) -> tuple[int, ...]:
    if values and isinstance(values[0], list):
        lengths = {len(row) for row in values if isinstance(row, list)}
        return (len(values), lengths.pop() if len(lengths) == 1 else -1)
    return (len(values),)


def _flat(values: Row | list[Row]) -> list[float]:
    return [v for row in values for v in (row if isinstance(row, list) else [row])]
