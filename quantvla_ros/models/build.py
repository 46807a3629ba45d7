# SPDX-License-Identifier: Apache-2.0
"""Network and bundle, one made from the other."""

from __future__ import annotations

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.bundle.storage import Bundle
from quantvla_ros.bundle.tensors import check_tensors
from quantvla_ros.errors import BundleError
from quantvla_ros.models.mini_pi05.network import Pi05, Pi05Config
from quantvla_ros.validation import first_problem

FAMILIES = {"mini_pi05": (Pi05, Pi05Config)}


def read_architecture(manifest: BundleManifest) -> Pi05Config:
    """The sizes of the bundle's network.

    Raises:
        BundleError: they are not what the family's network takes.
    """
    _, config_class = FAMILIES[manifest.family]
    try:
        return config_class.model_validate(manifest.architecture)
    except ValidationError as error:
        problem = first_problem(error, "architecture")
        raise BundleError(
            f"bundle.yaml is not valid at {problem}; make the bundle again"
        ) from error


def empty_network(manifest: BundleManifest) -> Pi05:
    """The bundle's float network with weights that are not yet filled in.

    Raises:
        BundleError: see `read_architecture`.
    """
    network_class, _ = FAMILIES[manifest.family]
    return network_class(read_architecture(manifest)).eval()


def fill(network: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Load a bundle's tensors; every name, shape and kind must be the network's own.

    Raises:
        BundleError: a tensor is missing, too many, of another shape, or of another kind.
    """
    state = network.state_dict()
    check_tensors(tensors, state)
    with torch.no_grad():
        network.load_state_dict({k: v.to(state[k].dtype) for k, v in tensors.items()})


def float_network(bundle: Bundle) -> Pi05:
    """The float network of a bundle that is not quantized."""
    network = empty_network(bundle.manifest)
    fill(network, bundle.tensors)
    return network
