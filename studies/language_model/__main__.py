# SPDX-License-Identifier: Apache-2.0
"""Entry of ``python -m studies.language_model``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from studies.language_model.environment import go_inside, is_inside
from studies.language_model.table import KIND
from studies.study import run_study, study_command, study_parser

_TEXT = """\
Quantize a real language model, SmolLM2-135M, by the package's own code, and measure its perplexity
on unseen text. Makes an environment of its own, .venv-language-model, when it is missing. The same
command goes on after a stop.
"""
_EXAMPLE = "example: python -m studies.language_model --out language-model.json\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study; the exit status is 0 when it could be done, whatever it found."""
    parser = study_parser(KIND, _TEXT, _EXAMPLE)
    add = parser.add_argument
    add("--work", type=Path, default=Path("language_model_work"), help="what is done already")
    add("--threads", type=int, default=1, help="CPU threads (1)")
    options = parser.parse_args(arguments)
    if not is_inside():
        with study_command(KIND):
            go_inside(KIND, list(sys.argv[1:] if arguments is None else arguments))
    import torch

    torch.set_num_threads(options.threads)
    from studies.language_model.run import Run

    run_study(KIND, options, arguments, lambda report: Run(options.work, report).all())
    return 0


if __name__ == "__main__":
    sys.exit(main())
