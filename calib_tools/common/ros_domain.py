# SPDX-License-Identifier: Apache-2.0
"""A ROS domain that no other program of this package on this machine is in."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from quantvla_ros.errors import QuantVLAError

_DOMAINS = range(1, 102)  # beyond, the ports of the middleware meet those of the system


def claim_domain() -> tuple[int, socket.socket]:
    """Return a domain and what holds it: the claim lasts until that is closed.

    Never the domain of this terminal, which may be a real robot's. A name of the kernel's and no
    file: whatever ends the program, nothing is left.

    Raises:
        QuantVLAError: all are taken.
    """
    first = os.getpid() % len(_DOMAINS)
    for domain in (*_DOMAINS[first:], *_DOMAINS[:first]):
        if os.environ.get("ROS_DOMAIN_ID") == str(domain):
            continue
        held = socket.socket(socket.AF_UNIX)
        try:
            held.bind(f"\0quantvla_ros domain {domain}")
        except OSError:
            held.close()
            continue
        return domain, held
    raise QuantVLAError(
        f"All ROS domains from {_DOMAINS[0]} to {_DOMAINS[-1]} are taken by other programs of this "
        "package; end some."
    )


@contextmanager
def own_ros_domain() -> Iterator[dict[str, str]]:
    """Keep to ourselves: a ROS domain of our own, and discovery on this machine alone.

    Returns:
        The environment of processes that belong to it.

    Raises:
        QuantVLAError: all domains are taken.
    """
    domain, held = claim_domain()
    ours = {
        "ROS_DOMAIN_ID": str(domain),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "PYTHONUNBUFFERED": "1",
    }
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield dict(os.environ)
    finally:
        held.close()
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
