# SPDX-License-Identifier: Apache-2.0
"""Files that are made from the code: run as a module it renews them, ``--check`` compares only."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from quantvla_ros.whole_file import write_file
from studies.documents import fault_page, parameter_pages

REPOSITORY = Path(__file__).resolve().parents[2]


def pages() -> dict[Path, str]:
    """Return every file that is made from the code, by its path in the source tree."""
    return {
        parameter_pages.CONFIG: parameter_pages.config_text(),
        parameter_pages.PAGE: parameter_pages.page_text(),
        fault_page.PAGE: fault_page.page_text(),
    }


def outdated(root: Path) -> list[Path]:
    """Return the files under ``root`` that are not what the code says."""
    return [
        path
        for path, text in pages().items()
        if not (root / path).exists() or (root / path).read_text(encoding="utf-8") != text
    ]


def write(root: Path) -> list[Path]:
    """Renew the outdated files under ``root`` (a source tree) and return their paths."""
    texts, renewed = pages(), outdated(root)
    for relative in renewed:
        write_file(root / relative, texts[relative])
    return renewed


def main(arguments: Sequence[str] | None = None, root: Path = REPOSITORY) -> int:
    """Entry of ``python -m studies.documents.reference_pages``; the exit status."""
    parser = argparse.ArgumentParser(
        prog="studies.documents.reference_pages",
        description=__doc__,
        epilog="example: python -m studies.documents.reference_pages --check",
    )
    parser.add_argument("--check", action="store_true", help="change nothing, only compare")
    if not parser.parse_args(arguments).check:
        for path in write(root):
            print(path)
        return 0
    for path in outdated(root):
        print(
            f"{path} is not what the code says: run `{parameter_pages.COMMAND}`.", file=sys.stderr
        )
    return 1 if outdated(root) else 0


if __name__ == "__main__":
    sys.exit(main())
