# SPDX-License-Identifier: Apache-2.0
"""What modules of a network are given and give while it runs."""

from __future__ import annotations

import torch


def seen_modules(network, names, run):
    """First input and first output of each of these modules that `run` calls, by name."""
    seen, hooks = {}, []

    def keep_as(name):
        def keep(_, given, out):
            seen.setdefault(name, (given[0], out[0] if isinstance(out, tuple) else out))

        return keep

    for name in names:
        hooks.append(network.get_submodule(name).register_forward_hook(keep_as(name)))
    with torch.no_grad():
        run()
    for hook in hooks:
        hook.remove()
    return seen
