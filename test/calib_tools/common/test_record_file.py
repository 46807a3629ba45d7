# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from calib_tools.common.record_file import read_record_file
from quantvla_ros.errors import QuantVLAError


def read(path):
    return read_record_file(path, "a kind", 2, "quantvla something", "do it again")


def test_a_record_of_its_kind_and_version_is_read(tmp_path):
    content = {"kind": "a kind", "schema": 2, "value": 1}
    (tmp_path / "r.json").write_text(json.dumps(content))
    assert read(tmp_path / "r.json") == content


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "cannot be read"),
        ("{", "cannot be read"),
        ("[]", "is no record of `quantvla something`"),
        ('{"kind": "other", "schema": 2}', "is no record of `quantvla something`"),
        ('{"kind": "a kind", "schema": 1}', "has schema 1 .* knows 2; do it again"),
    ],
)
def test_anything_else_is_one_sentence(tmp_path, text, sentence):
    if text is not None:
        (tmp_path / "r.json").write_text(text)
    with pytest.raises(QuantVLAError, match=sentence):
        read(tmp_path / "r.json")
