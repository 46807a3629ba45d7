# SPDX-License-Identifier: Apache-2.0
"""Errors that a user can cause; the text of each is one sentence with the way out."""

from __future__ import annotations


class QuantVLAError(Exception):
    """Base of all errors a user can cause; `str(error)` is the one sentence to show."""


class BundleError(QuantVLAError):
    """A bundle that must not be used: damaged, incomplete or of an unknown schema."""


class CheckpointError(QuantVLAError):
    """A checkpoint that cannot be imported; the sentence names its file and the way out."""


class CalibrationBufferError(QuantVLAError):
    """A calibration buffer that cannot be used."""


class BackendError(QuantVLAError):
    """A backend or its worker process that cannot run the bundle."""


class OutputExistsError(QuantVLAError):
    """An output directory that exists and may not be replaced."""
