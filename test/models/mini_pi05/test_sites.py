# SPDX-License-Identifier: Apache-2.0
import torch
from support.seen_modules import seen_modules
from support.tiny_policy import network_inputs, noise, tiny_network

from quantvla_ros.models.joint.roles import layer_roles
from quantvla_ros.models.joint.sites import find_sites


def run(network):
    """One run with all features."""
    x, mask = network.embed(network_inputs())
    context, _ = network.run_language_model(x, mask, features=True)
    network.velocity(noise(), 1.0, context)


def test_every_norm_is_listed_with_all_that_read_it():
    network = tiny_network()
    sites = find_sites(network)
    linears, norms = layer_roles(network), [site.norm for site in sites.norms]
    seen = seen_modules(network, [*linears, *norms], lambda: run(network))
    for site in sites.norms:
        made = seen[site.norm][1].flatten()
        readers = {n for n in linears if torch.equal(seen[n][0].flatten(), made)}
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
