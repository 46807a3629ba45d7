# SPDX-License-Identifier: Apache-2.0
import copy

import torch
from support.tiny_policy import network_inputs, noise, tiny_network

from quantvla_ros.models.joint.roles import layer_roles
from quantvla_ros.models.joint.sites import find_sites


def watched(network, names):
    """Inputs of the named modules, or what norms give, from one run with all features."""
    seen = {}

    def keep(name, is_norm):
        def hook(_, inputs, output):
            value = output if is_norm else inputs[0]
            seen.setdefault(name, value[0] if isinstance(value, tuple) else value)

        return hook

    for name, is_norm in names.items():
        network.get_submodule(name).register_forward_hook(keep(name, is_norm))
    x, mask = network.embed(network_inputs())
    context, _ = network.run_language_model(x, mask, features=True)
    network.velocity(noise(), 1.0, context)
    return seen


def test_every_norm_is_listed_with_all_that_read_it():
    network = tiny_network()
    sites = find_sites(network)
    linears = dict.fromkeys(layer_roles(network), False)
    norms = {site.norm: True for site in sites.norms}
    seen = watched(copy.deepcopy(network), linears | norms)
    for site in sites.norms:
        readers = {n for n in linears if torch.equal(seen[n].flatten(), seen[site.norm].flatten())}
        assert readers == set(site.readers), site.norm
    listed = {n for n in network.state_dict() if "norm" in n and "stem" not in n}
    # The language model's last norm feeds no linear: its output leaves the network in training.
    missing = {n.rpartition(".")[0].removesuffix(".dense") for n in listed} - set(norms)
    assert missing == {"language_model.norm"}


def test_every_linear_of_a_block_has_its_place():
    network = tiny_network()
    sites = find_sites(network)
    places = {name for site in sites.norms for name in site.readers}
    places |= {name for site in sites.values for name in site.readers}
    places |= {site.down for site in sites.gated} | set(sites.plain)
    blocks = {n for n in layer_roles(network) if ".layers." in n and not n.endswith(".dense")}
    assert blocks <= places
    makers = [name for site in sites.values for name in site.makers]
    assert sorted(makers) == sorted(n for n in blocks if n.endswith("v_proj"))
