# SPDX-License-Identifier: Apache-2.0
"""What is read from a compiled engine, in both forms that TensorRT tells it, and judged."""

from __future__ import annotations

import json

import pytest

from quantvla_ros.backends.tensorrt.builders.monitor import PhaseTree
from quantvla_ros.backends.tensorrt.compiled_layers import (
    check_products,
    layers_of_inspector,
    layers_of_log,
)
from quantvla_ros.errors import BackendError


def layer(name, kind, reads, holds, metadata=""):
    return {
        "Name": name,
        "LayerType": kind,
        "Inputs": [{"Name": "x", "Dimensions": [1, 8], "Format/Datatype": reads}],
        "Constants": [{"Name": "w", "Format/Datatype": holds}],
        "Outputs": [{"Name": "y", "Format/Datatype": "Half"}],
        "Metadata": metadata,
    }


def as_log(one):
    tensors = {
        key: ", ".join(
            f"{{ Name: {t['Name']}, Dimensions: [1,8], Datatype: {t['Format/Datatype']}, "
            "Format: (Linear) Row major linear format }"
            for t in one[key]
        )
        for key in ("Inputs", "Constants", "Outputs")
    }
    listed = ", ".join(f"{key}: [ {text}]" for key, text in tensors.items())
    return (
        f"Name: {one['Name']}, LayerType: {one['LayerType']}, {listed}, Metadata: {one['Metadata']}"
    )


LAYERS = [
    layer("__myl_QuantizedNorm", "kgen", "Half", "Half"),
    layer("linear<a.k>+linear<a.q>_myl0_1", "gemm", "Int8", "Int8"),
    layer("__myl_ScaleAdd", "kgen", "Float", "Half", "[linear<a.q>]"),
    layer("scores", "gemm", "Half", "Half"),
    layer("_gemm_mha_v2", "CaskGemmMatrixMultiply", "Int8", "Int8", "[linear<a.o>]"),
]


@pytest.fixture(params=["inspector", "log"])
def read(request):
    if request.param == "log":
        return lambda layers: layers_of_log(map(as_log, layers))
    return lambda layers: layers_of_inspector(json.dumps({"Layers": layers, "Bindings": []}))


def test_products_of_integers_are_found_with_their_linears(read):
    products = check_products(read(LAYERS), ["a.q", "a.k", "a.o"], "context", "It")
    assert [product.linears for product in products] == [("a.k", "a.q"), ("a.o",)]


def test_a_linear_that_is_not_multiplied_as_integers_is_named(read):
    weight_only = [*LAYERS[:4], layer("linear<a.o>_myl0_4", "gemm", "Half", "Int8")]
    with pytest.raises(BackendError, match=r"It left 1 of 3 INT8 linears of 'context' .*\(a\.o\)"):
        check_products(read(weight_only), ["a.q", "a.k", "a.o"], "context", "It")


def test_integers_where_the_bundle_has_none_are_named(read):
    for extra, name in ((LAYERS[4], r"a\.o"), (layer("b", "gemm", "Int8", "Int8"), "b")):
        with pytest.raises(BackendError, match=rf"leaves float \({name}\)"):
            check_products(read([*LAYERS[:4], extra]), ["a.q", "a.k"], "context", "It")


def test_an_engine_that_tells_names_alone_is_refused():
    with pytest.raises(BackendError, match="tells the names of its layers alone"):
        layers_of_inspector(json.dumps({"Layers": ["a", "b"]}))


def test_progress_is_one_share_that_never_falls():
    phases, shares = PhaseTree(), []
    phases.start("build", None, 4)
    phases.step("build", 0)
    phases.start("time", "build", 2)
    phases.start("tactics", "time", 10)
    for step in range(10):
        phases.step("tactics", step)
        shares.append(phases.share())
    phases.finish("tactics")
    phases.step("time", 0)
    shares.append(phases.share())
    phases.finish("time")
    shares.append(phases.share())
    assert shares == sorted(shares)
    assert shares[0] == pytest.approx((1 + 0.1 / 2) / 4)
    assert shares[-1] == pytest.approx((1 + 0.5) / 4)
