# SPDX-License-Identifier: Apache-2.0
"""The exported graphs of a network, each made once and kept in the user's cache.

Export takes longer than everything else of a load together, and the compiler of PyTorch that it
needs takes another second to import. What it gives depends on the form of the network alone, never
on weights, threads or the processor: a file is known by that form, by the code that computes and
exports it, and by PyTorch's version.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from quantvla_ros.backends.cpu.program.graph_text import PlainGraph, read_graph, write_graph
from quantvla_ros.backends.cpu.program.integer_operator import integer_operators
from quantvla_ros.backends.graphs.constants import attribute
from quantvla_ros.backends.graphs.export import export_graph
from quantvla_ros.backends.graphs.lowering import plain_module
from quantvla_ros.backends.graphs.source import source_hash
from quantvla_ros.cache_directory import cache_directory
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.graphs import Graph
from quantvla_ros.whole_file import write_file

KEPT = 100
"""Files; a robot needs two for each policy that it runs."""
_UNTOLD = (" at 0x", "tensor(", "array(")
"""In the words for a setting: only an address, or numbers that are rounded and cut short."""
_OF_TORCH = frozenset(nn.Module().__dict__)


def plain_graph(network: nn.Module, graph: Graph, example: Sequence[Tensor]) -> PlainGraph:
    """A graph of operators, an integer layer one each; from the cache where it is there.

    Args:
        network: with quantized layers or without; not changed.
        graph: of it.
        example: inputs in all shapes and types.
    """
    file = _file(graph.module, example)
    if file is not None and (kept := _kept(file, graph.module)):
        return kept
    with torch.no_grad(), integer_operators(network):
        module = plain_module(export_graph(graph, tuple(example)))
    try:
        text = write_graph(module, graph.module)
    except TypeError:  # an operator of its own kind, which is exported each time
        return PlainGraph(module.graph, partial(attribute, module))
    if file is not None:
        _keep(file, text)
    return read_graph(text, graph.module)


def _kept(file: Path, module: nn.Module) -> PlainGraph | None:
    """What a file holds; None where there is none, or it is damaged or another's."""
    try:
        text = json.loads(gzip.decompress(file.read_bytes()))
        found = read_graph(text, module) if text["key"] == file.stem else None
    except Exception:  # whatever damage leads to
        return None
    with contextlib.suppress(OSError):
        file.touch()  # it is used
    return found


def _keep(file: Path, text: dict[str, Any]) -> None:
    """Write a file, and let the oldest go; a full disk costs the next load its time alone."""
    content = json.dumps({"key": file.stem, **text}).encode()
    try:
        write_file(file, gzip.compress(content, compresslevel=1, mtime=0))
        files = sorted(file.parent.glob(f"*{file.suffix}"), key=lambda one: one.stat().st_mtime)
        for old in files[:-KEPT]:
            old.unlink(missing_ok=True)
    except OSError:
        return


def _file(module: nn.Module, example: Sequence[Tensor]) -> Path | None:
    """Where a graph is kept; None where nothing can be, or the network's form cannot be told."""
    inputs = " ".join(f"{t.dtype} {tuple(t.shape)}" for t in example)
    form = "\n".join([torch.__version__, inputs, *_form(module)])
    if any(word in form for word in _UNTOLD):
        return None
    try:
        digest = hashlib.sha256(f"{source_hash(module)}\n{form}".encode())
        return cache_directory("graphs") / f"{digest.hexdigest()[:32]}.gz"
    except (OSError, QuantVLAError):
        return None


def _form(module: nn.Module) -> Iterator[str]:
    """A line for each module, and for each of its tensors and settings."""
    for name, one in module.named_modules(remove_duplicate=False):
        yield f"{name} {type(one).__module__} {type(one).__qualname__}"
        for key, value in sorted(one.__dict__.items()):
            if key not in _OF_TORCH or "hooks" in key:
                yield f"{key} {value!r}"
        for key, tensor in [*one._parameters.items(), *one._buffers.items()]:
            yield f"{key} {None if tensor is None else (tensor.dtype, tuple(tensor.shape))}"
