# SPDX-License-Identifier: Apache-2.0
"""What a typed model refuses, in words for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


def first_problem(error: ValidationError, *within: str) -> str:
    """Return "place: reason" of the first value that is not valid.

    Args:
        error: of the model.
        within: where the model's values lie, when they are a part of a file.
    """
    first = error.errors()[0]
    place = ".".join(map(str, (*within, *first["loc"]))) or "the whole"
    if first["type"] == "value_error":  # raised by a model's own check, in its own words
        return f"{place}: {first['ctx']['error']}"
    return f"{place}: {first['msg']}"
