# SPDX-License-Identifier: Apache-2.0
"""The same generator gives the same damage, and nearly every damage changes something."""

from __future__ import annotations

import numpy as np
import yaml

from studies.fuzz.mutation import mutate_bytes, mutate_yaml

DATA = bytes(range(256))
TEXT = "a: 1\nb:\n- x\n- y\nc:\n  d: 2.0\n"


def test_damage_repeats_with_its_seed():
    for damage, sound in ((mutate_bytes, DATA), (mutate_yaml, TEXT)):
        first, second = (damage(sound, np.random.default_rng(5)) for _ in range(2))
        assert first == second
        assert damage(sound, np.random.default_rng(6)) != first


def test_most_damages_change_something_and_all_kinds_of_length_come():
    rng = np.random.default_rng(0)
    damaged = [mutate_bytes(DATA, rng) for _ in range(300)]
    assert sum(d == DATA for d in damaged) < 10
    lengths = [len(d) for d in damaged]
    assert min(lengths) < 64
    assert max(lengths) > 256
    assert mutate_bytes(b"", rng) is not None


def test_some_damaged_yaml_is_yaml_with_another_content():
    rng = np.random.default_rng(0)
    changed = 0
    for _ in range(300):
        try:
            changed += yaml.safe_load(mutate_yaml(TEXT, rng)) != yaml.safe_load(TEXT)
        except yaml.YAMLError:
            continue
    assert changed > 50
