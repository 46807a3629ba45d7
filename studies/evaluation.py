# SPDX-License-Identifier: Apache-2.0
"""Success of fake-quantized policies: as `quantvla evaluate`, and BUNDLE@rtn4-all or @FILE.

`BUNDLE@rtn4-all` rounds the weights of a layout's layers to nearest, `BUNDLE@FILE.safetensors` is
a study that an ablation made; `@rtc` after either adds real-time chunking.
"""

from __future__ import annotations

from collections.abc import Callable
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


def play(
    read_change: Callable[[str, Path, str], Change], kind: str, about: str, example: str
) -> None:
    """Run `quantvla evaluate` with changes of bundles that a study knows.

    Args:
        read_change: what `BUNDLE@wanted` is, of wanted, bundle and the bundle's hash.
        kind: name of the study.
        about: help text.
        example: last line of the help text.
    """
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(help=about, epilog=example)(evaluate)
    with study_command(kind):
        app(obj=read_change)


def main() -> None:
    """Evaluate with changes of float bundles allowed."""
    assert __doc__ is not None
    play(_read_change, KIND, __doc__, EXAMPLE)


if __name__ == "__main__":
    main()
