# SPDX-License-Identifier: Apache-2.0
"""A backend as another package would bring one: it builds an engine for the machine it is on."""

from __future__ import annotations

import json
import os

from quantvla_ros.backends.base import Backend, Fact
from quantvla_ros.bundle.storage import bundle_hash, load_manifest
from quantvla_ros.errors import BackendError

MACHINE_VARIABLE = "ENGINE_MACHINE"  # which machine this is


class EngineBackend(Backend):
    """Multiplies as the reference does; a quantized bundle runs by its engine alone."""

    name = "engine"
    activations = "static"

    def supports(self, precision):
        return "weights of 4 bits; give a scheme with 8" if precision.packed else None

    def activation_bits(self, precisions):
        return 8

    def target(self):
        return f"machine {os.environ.get(MACHINE_VARIABLE, 'one')}"

    def facts(self):
        return [Fact("engine's machine", "good", self.target())]

    def build(self, path, options):
        engine = self.engine_folder(path) / "engine.json"
        engine.parent.mkdir(parents=True, exist_ok=options.force)
        engine.write_text(json.dumps({"target": self.target(), "bundle": bundle_hash(path)}))
        return engine

    def load(self, bundle, network, options, example):
        from quantvla_ros.backends.runner import NetworkRunner

        self.check_built(bundle.path)
        return NetworkRunner(network, "engine int8")

    def check_built(self, path):
        engine = self.engine_folder(path) / "engine.json"
        if load_manifest(path).quantization is not None and not engine.exists():
            raise BackendError(f"bundle {path} has no engine for {self.target()}; build it there")


BACKEND = EngineBackend()
