# SPDX-License-Identifier: Apache-2.0
"""What a backend is: it says what it computes, and makes a bundle ready to run. Knows no torch."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from quantvla_ros.bundle.schema import BundleManifest
    from quantvla_ros.bundle.storage import Bundle
    from quantvla_ros.models.family import Network
    from quantvla_ros.quantization.schemes import Precision
    from quantvla_ros.robot.action_prefix import ActionPrefix
    from quantvla_ros.robot.chunk import Chunk
    from quantvla_ros.robot.observation import Observation


@dataclass(frozen=True)
class Options:
    """How a policy is to be run.

    Attributes:
        threads: of an inference.
        resident: "all" of the policy stays on the device; "sequential": one part makes way for the
            next in every inference, where all does not fit.
    """

    threads: int = 1
    resident: str = "all"


@dataclass(frozen=True)
class Fact:
    """One line of `quantvla doctor`: its name, how it stands, and how to mend it."""

    name: str
    status: Literal["good", "note", "bad"]
    text: str
    remedy: str = ""


@dataclass(frozen=True)
class BuildOptions:
    """How `Backend.build` goes about it.

    Attributes:
        builder: name of one of the ways that the backend has, or "auto" for its choice.
        precision: kind of float of what is not integer, or "auto" for its choice.
        force: build again what is there already.
        without_gpu: build for a kind of machine that need not be here, to see that all compiles;
            nothing runs what is made then.
        largest: largest magnitude that was measured in each part of the network, for bundles that
            do not hold it themselves.
        progress: called with what happens now and the share done, 0..1.
        say: called with sentences that a person should read.
    """

    builder: str = "auto"
    precision: str = "auto"
    force: bool = False
    without_gpu: bool = False
    largest: Mapping[str, float] = field(default_factory=dict)
    progress: Callable[[str, float], None] = lambda text, share: None
    say: Callable[[str], None] = lambda text: None


class Runner(Protocol):
    """A network that is ready to run, whole on one device.

    Attributes:
        kernel: what multiplies, for records.
        integer_layers: how many layers multiply integers.
        device: where inputs are to lie and results lie, as PyTorch names it.
        loading_ms: what loading took of the last `encode` and of the calls of `velocity` since,
            ms; zeros where all stays loaded.
    """

    kernel: str
    integer_layers: int
    device: str
    loading_ms: tuple[float, float]

    def encode(self, inputs: Mapping[str, Tensor]) -> Any:
        """Run once an observation what all steps of the flow share; see the family's `encode`."""
        ...

    def velocity(self, x_t: Tensor, time: float, context: Any) -> Tensor:
        """Velocity [B, horizon, width] of the flow at `x_t` and a flow time."""
        ...

    def weight_bytes(self) -> int:
        """Bytes of the weight tensors really held."""
        ...

    def layer_bytes(self, names: Sequence[str]) -> int:
        """Bytes held by the named linears, biases and scales included."""
        ...


class RunningPolicy(Protocol):
    """What the worker, the gate and the evaluation need: observation in, chunk out."""

    manifest: BundleManifest
    kernel: str
    integer_layers: int

    def infer(
        self,
        observation: Observation,
        noise: NDArray[np.float32],
        prefix: ActionPrefix | None = None,
    ) -> Chunk:
        """Compute one chunk; the same arguments give the same chunk.

        Args:
            observation: what the robot sees.
            noise: where the flow starts [horizon, width of the network's actions].
            prefix: what the robot does meanwhile; the chunk continues it.
        """
        ...

    def weight_bytes(self) -> int:
        """Bytes of the weight tensors that the backend really holds."""
        ...

    def layer_bytes(self, names: Sequence[str]) -> int:
        """Bytes held by the named linears, biases and scales included."""
        ...


class Backend(ABC):
    """One way to compute policies: a folder of its own and one line in the registry.

    Its module must import fast: the node looks at it in its own process. What multiplies is loaded
    by `policy`, in the inference process.

    Attributes:
        name: as the registry has it.
        activations: ranges that `quantize` gives integer activations for it where none are asked.
        runs_what_it_built: a bundle runs here by what `build` made of it alone, so that its gate
            is judged by another backend until then.
        resident: what it can do of `Options.resident`.
    """

    name: str
    activations: Literal["dynamic", "static"] = "dynamic"
    runs_what_it_built = False
    resident: tuple[str, ...] = ("all",)

    def supports(self, precision: Precision) -> str | None:
        """None if layers of this precision run on this machine, else why not."""
        return None

    @abstractmethod
    def activation_bits(self, precisions: Sequence[Precision]) -> int:
        """Grid of integer activations that it multiplies exactly with all these weights, bits."""

    @abstractmethod
    def target(self) -> str:
        """What this machine is to the backend; a gate's judgement holds for one target only."""

    def facts(self) -> list[Fact]:
        """What this machine has and lacks for the backend; takes a moment."""
        return []

    def same_arithmetic(self, first: str, second: str) -> bool:
        """Whether two kernels, as runners name them, give the same integers."""
        return first == second

    def check(self, options: Options) -> None:
        """Refuse work that ends in a policy which cannot be made ready here; takes a moment.

        Raises:
            BackendError: says what is missing.
        """
        return None

    def prepare(self, options: Options) -> None:
        """Check, and make all that does not depend on a policy; may load heavy libraries.

        Raises:
            QuantVLAError: see `check`; or there is no place for what is made.
        """
        self.check(options)

    def build(self, path: Path, options: BuildOptions) -> Path | None:
        """Make what this machine needs beside the weights of the bundle at `path`, as an engine.

        Returns:
            The path of the artifact in `engine_folder`; None without one.

        Raises:
            QuantVLAError: it cannot be made here, or is there already.
        """
        return None

    def check_built(self, path: Path) -> None:
        """Refuse what `build` made of the bundle at `path` if it is missing or does not fit.

        Takes a moment; nothing is built or loaded. For whoever would begin long work otherwise:
        `load` refuses the same by itself.

        Raises:
            BackendError: it is missing, or of another bundle or machine; with the command.
        """
        return None

    @abstractmethod
    def load(
        self, bundle: Bundle, network: Network, options: Options, example: Mapping[str, Tensor]
    ) -> Runner:
        """Make a network ready to run.

        Args:
            bundle: what the network was made of.
            network: float or with quantized layers; taken over.
            options: how it is to run.
            example: inputs of the shapes and types of all that will come.

        Raises:
            BackendError: it cannot run here; see `check_built` too.
        """

    def engine_folder(self, path: Path) -> Path:
        """Where what `build` makes for this machine lies in the bundle at `path`."""
        kind = hashlib.sha256(f"{self.name} {self.target()}".encode()).hexdigest()[:12]
        return path / "engines" / f"{self.name}-{kind}"

    def policy(self, path: Path, options: Options) -> RunningPolicy:
        """Load a bundle and make it ready; a backend without a network of ours has its own.

        Raises:
            BundleError: the bundle is damaged.
            BackendError: it cannot run here.
        """
        from quantvla_ros.backends.policy import network_policy

        return network_policy(path, self, options)
