# SPDX-License-Identifier: Apache-2.0
"""Success of fake-quantized policies: as `quantvla evaluate`, and BUNDLE@rtn4-all or @FILE.

`BUNDLE@rtn4-all` rounds the weights of a layout's layers to nearest, `BUNDLE@FILE.safetensors` is
a study that an ablation made; `@rtc` after either adds real-time chunking.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from calib_tools.evaluate.cli import evaluate
from studies.study import study_command

if TYPE_CHECKING:
    from calib_tools.evaluate.variants import Change

KIND = "studies.evaluation"
EXAMPLE = "example: python -m studies.evaluation policies/panda policies/panda@rtn4-all --out out"


def _read_change(wanted: str, bundle: Path, bundle_sha256: str) -> Change:
    from studies.fake_quantization.changes import read_change

    return read_change(wanted, bundle, bundle_sha256)


def main() -> None:
    """Evaluate with changes of float bundles allowed."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(help=__doc__, epilog=EXAMPLE)(evaluate)
    with study_command(KIND):
        app(obj=_read_change)


if __name__ == "__main__":
    main()
