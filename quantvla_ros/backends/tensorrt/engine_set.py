# SPDX-License-Identifier: Apache-2.0
"""The two engines of a bundle: both on the GPU, or one at a time where both do not fit."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from quantvla_ros.backends.tensorrt.engine import Engine
from quantvla_ros.bundle.storage import file_hash
from quantvla_ros.errors import BackendError


class EngineSet:
    """Loads engines when they are asked for.

    Attributes:
        sequential: whether the one makes way for the other.
        loading_ms: time that loading has taken so far.
        plan_bytes: of the plans that are held at once.
    """

    def __init__(
        self,
        trt: Any,
        plans: Mapping[str, Path],
        hashes: Mapping[str, str],
        sequential: bool,
        mend: str,
    ) -> None:
        """Check the plans; none is loaded yet.

        Args:
            trt: TensorRT's module.
            plans: file of each engine, by its name.
            hashes: sha256 that each file must have.
            sequential: see there.
            mend: what to do about a plan that is cut or changed.

        Raises:
            BackendError: a plan is not the one that was built.
        """
        for name, plan in plans.items():
            if file_hash(plan) != hashes[name]:
                raise BackendError(
                    f"{plan} is not the engine that was built (its sha256 differs): it is cut or "
                    f"changed; {mend}"
                )
        self._trt, self._plans, self.sequential = trt, plans, sequential
        self._loaded: dict[str, Engine] = {}
        sizes = [plan.stat().st_size for plan in plans.values()]
        self.plan_bytes = max(sizes) if sequential else sum(sizes)
        self.loading_ms = 0.0

    def get(self, name: str, prepare: Callable[[Engine], None]) -> Engine:
        """An engine by its name; `prepare` is called with it when it was loaded just now."""
        if name not in self._loaded:
            began = time.perf_counter()
            if self.sequential:
                self.close()
            engine = self._loaded[name] = Engine(self._trt, self._plans[name])
            prepare(engine)
            self.loading_ms += (time.perf_counter() - began) * 1e3
        return self._loaded[name]

    def close(self) -> None:
        """Give all engines back."""
        for engine in self._loaded.values():
            engine.close()
        self._loaded.clear()
