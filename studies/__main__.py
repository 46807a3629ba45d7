# SPDX-License-Identifier: Apache-2.0
"""`python -m studies`: the list of all studies."""

from __future__ import annotations

import ast
from pathlib import Path

STUDIES = (
    "ablation", "controller", "cpu_profile", "documents.reference_pages", "documents.tables",
    "engine_build", "evaluation", "experts", "fault_study", "fits", "full_size", "fuzz",
    "jetson_check",
    "language_model", "peers", "qdq_on_cpu", "scheme_bench", "stage_bounds", "task_buffer",
    "timing", "wheels",
)  # fmt: skip


def about(study: str) -> str:
    """First line of a study's docstring, read without importing it."""
    place = Path(__file__).parent.joinpath(*study.split("."))
    source = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    text = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


def main() -> None:
    """Print the studies and what each is about."""
    print("Our own experiments; `python -m studies.NAME --help` says more of each.\n")
    for study in STUDIES:
        print(f"  studies.{study:<26} {about(study)}")


if __name__ == "__main__":
    main()
