# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from support.example_bundle import write_example


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_example(tmp_path_factory.mktemp("client") / "bundle")
