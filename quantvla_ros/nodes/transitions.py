# SPDX-License-Identifier: Apache-2.0
"""Make a lifecycle node's transitions safe: one at a time, and no request ends the process."""

from __future__ import annotations

import functools
import threading
import traceback
from collections.abc import Callable
from typing import Any

from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

Transition = Callable[[Any, LifecycleState], TransitionCallbackReturn]


def logged(callback: Transition) -> Transition:
    """Log an exception of a transition callback, which rclpy swallows."""

    @functools.wraps(callback)
    def wrapper(self: Any, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return callback(self, state)
        except Exception:
            self.get_logger().error(f"{callback.__name__} failed:\n{traceback.format_exc()}")
            raise

    return wrapper


def guard_transitions(node: LifecycleNode) -> threading.Lock:
    """Wrap the change_state service; return the lock that is held during a transition.

    rclpy lets a request for a transition that the present state does not have raise in the
    executor, which ends the process; here it is answered with a refusal.
    """
    lock = threading.Lock()
    service = node._service_change_state
    change_state = service.callback

    def guarded(request: ChangeState.Request, response: ChangeState.Response) -> Any:
        wanted = request.transition.label or request.transition.id
        response.success = False
        if not lock.acquire(blocking=False):
            node.get_logger().warning(f"Transition '{wanted}' refused: another one is under way.")
            return response
        try:
            return change_state(request, response)
        except Exception as error:
            node.get_logger().warning(f"Transition '{wanted}' refused: {error}")
            return response
        finally:
            lock.release()

    service.callback = guarded
    return lock
