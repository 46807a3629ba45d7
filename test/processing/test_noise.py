# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
from support.example_bundle import HORIZON, JOINTS, example_manifest

from quantvla_ros.bundle.schema import NoiseSpec
from quantvla_ros.processing.noise import draw_noise


def test_noise_repeats_and_differs_by_seed_and_counter():
    manifest = example_manifest()
    noise = draw_noise(manifest, seed=3, counter=5)
    assert noise.shape == (HORIZON, len(JOINTS))
    assert noise.dtype == np.float32
    np.testing.assert_array_equal(noise, draw_noise(manifest, seed=3, counter=5))
    assert not np.allclose(noise, draw_noise(manifest, seed=4, counter=5))
    assert not np.allclose(noise, draw_noise(manifest, seed=3, counter=6))


def test_noise_has_the_bundles_scale():
    wide = example_manifest(noise=NoiseSpec(distribution="normal", scale=10.0))
    np.testing.assert_allclose(
        draw_noise(wide, 1, 1), 10 * draw_noise(example_manifest(), 1, 1), rtol=1e-6
    )
