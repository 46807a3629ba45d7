# SPDX-License-Identifier: Apache-2.0
"""The command line of `quantvla quantize`."""

from __future__ import annotations

from typing import Annotated

import typer

from calib_tools.common.options import BufferDir, BundleDir, Force, Json, Out, print_json
from quantvla_ros.backends.registry import DEFAULT
from quantvla_ros.errors import QuantVLAError


def quantize(
    bundle: BundleDir,
    buffer: BufferDir,
    out: Out,
    scheme: Annotated[str, typer.Option(help="w8a8, w4a8, w8a16 or w4a16.")] = "w8a8",
    layout: Annotated[
        str, typer.Option(help="none, llm, dit, llm+dit, llm+dit_mlp; auto measures and chooses.")
    ] = "llm+dit_mlp",
    rounding: Annotated[str, typer.Option(help="Of weights: rtn, clip or gptq.")] = "gptq",
    transform: Annotated[
        list[str] | None,
        typer.Option(help="smoothquant, hadamard (repeat it for both) or none; else the target's."),
    ] = None,
    activations: Annotated[
        str | None, typer.Option(help="Ranges: dynamic or static; the target's own if not given.")
    ] = None,
    static_range: Annotated[
        str, typer.Option("--range", help="Static ranges: output, absmax, percentile or mse.")
    ] = "output",
    group: Annotated[int | None, typer.Option(help="Inputs a scale of 4-bit weights.")] = None,
    keep_float: Annotated[
        list[str] | None, typer.Option(help="Pattern of layers that stay float; repeatable.")
    ] = None,
    budget: Annotated[
        int | None, typer.Option(min=1, help="Bytes of all weights: mixes 8, 4 bits and float.")
    ] = None,
    sequential: Annotated[
        bool, typer.Option("--sequential", help="Fit each layer behind the quantized ones.")
    ] = False,
    float_share: Annotated[
        float | None, typer.Option(help="Share of the layout's weights that may stay float.")
    ] = None,
    added_products: Annotated[
        float, typer.Option(help="Share of its products that rotations may add.")
    ] = 0.05,
    samples: Annotated[
        int | None, typer.Option(min=8, help="Samples that calibrate, at most; else all.")
    ] = None,
    target: Annotated[str, typer.Option(help="Backend that the bundle is made for.")] = DEFAULT,
    ray: Annotated[str | None, typer.Option(help="Ray cluster for auto, or: local.")] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Make a quantized bundle of a float bundle and judge it; goes on after a stop.

    Exit status 1 when it fails its gate.
    """
    from calib_tools.common.tables import show_gate
    from calib_tools.quantize.command import quantize as run
    from calib_tools.quantize.recipe import Recipe
    from quantvla_ros.quantization.gate import failures

    recipe = Recipe(
        scheme=scheme,
        layout=layout,
        rounding=rounding,
        transforms=None if transform is None else tuple(t for t in transform if t != "none"),
        activations=activations,
        range=static_range,
        group=group,
        keep_float=tuple(keep_float or ()),
        budget=budget,
        sequential=sequential,
        float_share=float_share,
        added_products=added_products,
        target=target,
    )
    gate = run(bundle, buffer, recipe, out, force, ray, samples)
    print_json(gate.model_dump()) if as_json else show_gate(gate)
    if not gate.passed:
        raise QuantVLAError(
            f"The bundle '{out}' is written, but it failed its gate ({'; '.join(failures(gate))}); "
            "policy_node refuses it. Take another scheme or layout, or more samples."
        )
