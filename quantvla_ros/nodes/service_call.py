# SPDX-License-Identifier: Apache-2.0
"""One call of a service, whose answer a thread of the executor brings."""

from __future__ import annotations

import threading
import time
from typing import Any

from rclpy.client import Client

from quantvla_ros.errors import QuantVLAError


def call_service(
    client: Client, request: Any, timeout_s: float, found_s: float | None = None, hint: str = ""
) -> Any:
    """Wait for the service, call it, and return its answer.

    Args:
        client: of the service.
        request: of its type.
        timeout_s: for all of it.
        found_s: longest wait for the service to be there, of that; all of it when None.
        hint: sentence about what to look at when there is none.

    Raises:
        QuantVLAError: there is no such service, or no answer in time.
    """
    begun = time.monotonic()
    longest = timeout_s if found_s is None else min(timeout_s, found_s)
    if not client.wait_for_service(timeout_sec=longest):
        ending = f": {hint}" if hint else "."
        raise QuantVLAError(f"No service {client.srv_name} within {longest:.0f} s{ending}")
    answered = threading.Event()
    future = client.call_async(request)
    future.add_done_callback(lambda _: answered.set())
    if not answered.wait(max(0.0, timeout_s - (time.monotonic() - begun))):
        client.remove_pending_request(future)
        raise QuantVLAError(f"No answer from {client.srv_name} within {timeout_s:.0f} s.")
    return future.result()
