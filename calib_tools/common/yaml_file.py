# SPDX-License-Identifier: Apache-2.0
"""YAML that a person wrote: whatever is wrong with the text is one sentence."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from quantvla_ros.errors import QuantVLAError


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice, of which PyYAML takes the last without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return the mapping of a node.

        Raises:
            yaml.constructor.ConstructorError: a key twice.
        """
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"'{key.value}' stands twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path, what: str) -> Any:
    """Content of a YAML file.

    Args:
        path: of the file.
        what: it is, for the sentence: "configuration".

    Raises:
        QuantVLAError: the file is missing, is no UTF-8 text, or no YAML; names the line.
    """
    try:
        return yaml.load(path.read_bytes(), _Loader)
    except OSError as error:
        raise QuantVLAError(f"Cannot read the {what} '{path}': {error.strerror}.") from error
    except yaml.reader.ReaderError as error:
        raise QuantVLAError(
            f"The {what} '{path}' is no text in UTF-8 (at byte {error.position}); "
            "save it with that encoding."
        ) from error
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f" in line {error.problem_mark.line + 1}"
        raise QuantVLAError(
            f"The {what} '{path}' is not valid YAML{line}: {error.problem}."
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise QuantVLAError(f"The {what} '{path}' is not valid YAML.") from error
