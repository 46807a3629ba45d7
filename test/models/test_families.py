# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys

import pytest

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.families import FAMILIES, find_family
from quantvla_ros.models.family import ROLES, siblings_by_leaf


def test_every_bundled_family_says_its_own_name():
    for name in FAMILIES.bundled:
        assert find_family(name).name == name


def test_an_unknown_family_is_refused_with_the_names_of_the_known_ones():
    with pytest.raises(QuantVLAError, match=r"unknown model family 'other'; known here: .*mini_pi"):
        find_family("other")


def test_a_family_that_cannot_be_imported_says_so(monkeypatch):
    monkeypatch.setitem(FAMILIES.bundled, "broken", "no.such.module:FAMILY")
    with pytest.raises(QuantVLAError, match=r"'broken' cannot be loaded from 'no\.such\.module"):
        find_family("broken")


def test_the_registry_imports_no_torch():
    code = "import sys, quantvla_ros.models.families; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_siblings_are_the_groups_that_one_parent_has():
    names = ["a.q", "a.k", "a.o", "b.k", "q"]
    assert siblings_by_leaf(names, [("q", "k"), ("o", "x")]) == [("a.q", "a.k")]


def test_roles_are_those_of_the_layouts():
    from quantvla_ros.quantization.layouts import ALL, LAYOUTS

    assert set(ROLES) == LAYOUTS[ALL]
