# SPDX-License-Identifier: Apache-2.0
"""The tensors of a network by name, each made of a checkpoint's when somebody asks for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from quantvla_ros.checkpoints.checkpoint import Checkpoint
from quantvla_ros.checkpoints.sources import Source
from quantvla_ros.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

Make = Callable[..., "Tensor"]


@dataclass(frozen=True)
class _Made:
    sources: tuple[Source, ...]
    make: Make | None

    def tensor(self, read: Callable[[Source], Tensor]) -> Tensor:
        given = [read(source) for source in self.sources]
        return self.make(*given) if self.make is not None else given[0]


class Weights(Mapping[str, "Tensor"]):
    """What an importer says of every tensor of its network; nothing is read before it is written.

    A tensor keeps the type of what it is made of. Every tensor of the checkpoint must be used or
    dropped, and every one of the network given: `check` says what is left.
    """

    def __init__(self, checkpoint: Checkpoint, prefix: str = "") -> None:
        """Begin with nothing.

        Args:
            checkpoint: where the tensors come from.
            prefix: taken off the names that begin with it, such as ``model.``.
        """
        self.checkpoint = checkpoint
        self._known = {k.removeprefix(prefix): v for k, v in checkpoint.sources.items()}
        tied = {k.removeprefix(prefix): v for k, v in checkpoint.tied.items()}
        self._tied = {name: other.removeprefix(prefix) for name, other in tied.items()}
        self._made: dict[str, _Made] = {}
        self._used: set[str] = set()
        self._missing: list[str] = []

    @property
    def stored(self) -> list[str]:
        """Names of the checkpoint's tensors, without the prefix."""
        return list(self._known)

    def has(self, name: str) -> bool:
        """Whether the checkpoint holds a tensor, or drops it for one that it is tied to."""
        return self._tied.get(name, name) in self._known or name in self._known

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor of the checkpoint.

        Raises:
            CheckpointError: there is none of that name.
        """
        if not self.has(name):
            raise self._lacks(name, 1)
        return tuple(self._source(name).meta().shape)

    def first(self, *names: str) -> str:
        """The first of several names that the checkpoint holds; the first one if it has none."""
        return next((name for name in names if self.has(name)), names[0])

    def layers(self, stack: str) -> int:
        """Layers of a stack of the checkpoint, such as ``a.layers``, by its tensors' names."""
        pattern = re.compile(rf"{re.escape(stack)}\.(\d+)\.")
        found = (pattern.match(name) for name in self._known)
        return max((int(match[1]) for match in found if match), default=-1) + 1

    def copy(self, name: str, source: str) -> None:
        """Say that the network's tensor `name` is the checkpoint's `source`."""
        self._add(name, (source,), None)

    def copy_module(self, name: str, source: str) -> None:
        """The same for the weight and the bias of a module."""
        for kind in ("weight", "bias"):
            self.copy(f"{name}.{kind}", f"{source}.{kind}")

    def make(self, name: str, sources: tuple[str, ...], make: Make) -> None:
        """Say that the network's tensor `name` is made of several.

        Args:
            name: of the network's.
            sources: names of the checkpoint's.
            make: from these tensors to the one; also called with tensors on the meta device.
        """
        self._add(name, sources, make)

    def drop(self, *patterns: str) -> None:
        """Say that tensors of the checkpoint are of no use (`fnmatch`); there may be none."""
        self._used |= {n for n in self._known for p in patterns if fnmatchcase(n, p)}

    def check(self, network: Mapping[str, Tensor]) -> None:
        """Compare with what the network has, such as an empty one's state_dict; reads nothing.

        Raises:
            CheckpointError: a tensor is missing, too many, or of another shape.
        """
        if self._missing:
            raise self._lacks(self._missing[0], len(self._missing))
        if left := sorted(set(self._known) - self._used):
            raise CheckpointError(
                f"{self._path} holds tensor '{left[0]}', which this family does not have "
                f"({len(left)} too many in all); give the checkpoint that its config.json is of, "
                "or its sizes with --sizes FILE"
            )
        for name, place in network.items():
            if name not in self._made:
                raise CheckpointError(
                    f"{self._path} has nothing for the network's '{name}'; give the checkpoint "
                    "that its config.json is of, or its sizes with --sizes FILE"
                )
            shape = tuple(self.meta(name).shape)
            if shape != tuple(place.shape):
                raise CheckpointError(
                    f"{self._path} has shape {shape} for the network's '{name}', which is "
                    f"{tuple(place.shape)}; give the network's sizes with --sizes FILE"
                )
        if extra := sorted(set(self._made) - set(network)):
            raise CheckpointError(
                f"{self._path} holds '{extra[0]}', which a network of these sizes does not have "
                f"({len(extra)} too many in all); give the network's sizes with --sizes FILE"
            )

    def meta(self, name: str) -> Tensor:
        """Type and shape of a tensor of the network, on the meta device; nothing is read."""
        return self._made[name].tensor(lambda source: source.meta())

    @property
    def bytes(self) -> int:
        """Of all tensors of the network."""
        return sum(self.meta(name).nbytes for name in self)

    def __getitem__(self, name: str) -> Tensor:
        """Make a tensor of the network; whoever holds it holds its memory."""
        return self._made[name].tensor(lambda source: source.read())

    def __iter__(self) -> Iterator[str]:
        """Names of the network's tensors."""
        return iter(self._made)

    def __len__(self) -> int:
        """How many they are."""
        return len(self._made)

    @property
    def _path(self) -> str:
        return str(self.checkpoint.path)

    def _source(self, name: str) -> Source:
        return self._known[name if name in self._known else self._tied[name]]

    def _add(self, name: str, sources: tuple[str, ...], make: Make | None) -> None:
        lacking = [source for source in sources if not self.has(source)]
        self._missing += lacking
        if lacking:
            return
        self._used |= {s if s in self._known else self._tied[s] for s in sources}
        self._made[name] = _Made(tuple(self._source(source) for source in sources), make)

    def _lacks(self, name: str, count: int) -> CheckpointError:
        return CheckpointError(
            f"{self._path} lacks tensor '{name}' ({count} missing in all); copy the checkpoint "
            "again, or give the network's sizes with --sizes FILE"
        )
