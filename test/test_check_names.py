# SPDX-License-Identifier: Apache-2.0
"""The check of `make lint` that no file names a family or a backend outside its folder."""

from __future__ import annotations

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def check():
    loader = SourceFileLoader("check_names", str(ROOT / ".ci/check_names"))
    module = module_from_spec(spec_from_loader("check_names", loader))
    loader.exec_module(module)
    return module


@pytest.fixture
def repository(tmp_path):
    """Folders of one family and one backend."""
    for file in ("models/big_vla/family.py", "backends/gpu/backend.py"):
        path = tmp_path / "quantvla_ros" / file
        path.parent.mkdir(parents=True)
        path.write_text("name = 'big_vla'\nfrom quantvla_ros.backends.gpu import x\n")
    return tmp_path


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("FAMILY = 'big_vla'", True),
        ("network = BigVla(config)", True),
        ("# as in pi0.5", True),
        ("from quantvla_ros.backends.gpu.kernels import x", True),
        ("device = 'gpu'", False),
        ("a_big_vla_of_another_name = 1", False),
    ],
)
def test_a_line_that_names_one_outside_its_folder_is_found(check, repository, line, refused):
    (repository / "other.py").write_text(f"import os\n{line}\n")
    found = check.problems(repository, ["other.py"])
    assert [text.partition(": ")[0] for text in found] == (["other.py:2"] if refused else [])


def test_its_own_folder_and_the_exceptions_may(check, repository):
    own = "quantvla_ros/models/big_vla/family.py"
    (repository / own).write_text("name = 'big_vla'\n")
    registry = "quantvla_ros/models/families.py"
    (repository / registry).write_text("'big_vla'\n")
    assert check.problems(repository, [own, registry]) == []


def test_this_repository_passes(check):
    assert check.main() == 0


def test_no_exception_is_dead(check):
    for allowed in (check.FAMILY_ALLOWED, check.BACKEND_ALLOWED):
        patterns = [pattern for _, pattern, mine in check.rules(ROOT) if mine is allowed]
        for name in allowed:
            files = [
                path
                for path in ROOT.glob(name.replace("*", "**/*"))
                if path.suffix in ("", ".py", ".yaml") and path.is_file()
            ]
            text = "".join(path.read_text() for path in files)
            assert any(pattern.search(text) for pattern in patterns), name
