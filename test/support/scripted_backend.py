# SPDX-License-Identifier: Apache-2.0
"""A backend that is a function; `quantvla_scripted-1.dist-info` in test/ registers each by name."""

from __future__ import annotations

from quantvla_ros.backends.base import Backend


class ScriptedBackend(Backend):
    """Answers without a network: `make(path, options)` gives a policy, or fails."""

    def __init__(self, make):
        self.name, self._make = make.__name__, make

    def activation_bits(self, precisions):
        return 8

    def target(self):
        return "a script"

    def load(self, bundle, network, options, example):
        raise NotImplementedError

    def policy(self, path, options):
        return self._make(path, options)
