# SPDX-License-Identifier: Apache-2.0
"""A subscription that matches its publishers' QoS while they come and go."""

from __future__ import annotations

import importlib
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.subscription import Subscription

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.nodes.offers import TEXT, Offer, offers

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

from rclpy.node import Node

SAME_S = 1.0
"""A message comes through all subscriptions that hear its publisher within so long."""


def message_class(msgtype: str) -> Any:
    """Return the Python class of "package/msg/Name".

    Raises:
        QuantVLAError: the package is not installed.
    """
    package, _, name = msgtype.split("/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError) as error:
        raise QuantVLAError(
            f"The message type '{msgtype}' is not installed; install the ROS package '{package}'."
        ) from error


class OfferedTopic:
    """Subscribes to a topic once for each kind of offer, and takes each message once.

    A subscription that asks for more than a publisher offers hears nothing of it, and one that
    asks for less misses the messages that it keeps. So what is asked for follows what is offered.
    Subscriptions stay: destroying them while a multi-threaded executor spins is not safe on Humble.

    A process can read one type on a topic: of several that would do, the first one found.
    """

    def __init__(
        self,
        node: Node,
        name: str,
        types: Sequence[str],
        receive: Callable[[str, bytes, int | None], None],
        depth: int,
        expected: Offer | None = None,
    ) -> None:
        """Remember what to read; call `look` now and then.

        Args:
            node: that subscribes.
            name: of the topic, relative or full.
            types: that can be read, as "package/msg/Name", the best one first.
            receive: called with type, CDR bytes and number of each message. Its publisher gave it
                the number; None where middleware or rclpy (Humble) tells none, and where messages
                come through several subscriptions, which may get ahead of each other.
            depth: of the queue.
            expected: subscribe to this from the beginning.
        """
        self._node = node
        self.name = node.resolve_topic_name(name)
        self.types = tuple(types)
        self._receive = receive
        self._depth = depth
        self._lock = threading.Lock()
        # Parallel to every other callback, but in the order of arrival.
        self._group = MutuallyExclusiveCallbackGroup()
        self._found: list[Offer] = []
        self._taken: dict[Offer, Any] = {}
        self._lately = _Lately()
        if expected is not None:
            self._subscribe(expected)

    @property
    def subscribed(self) -> bool:
        """Whether anything that can be read has been offered."""
        return bool(self._taken)

    def look(self) -> None:
        """Subscribe to what is offered by now and was not; any thread may call it.

        Raises:
            QuantVLAError: the offered type is not installed.
        """
        with self._lock:
            found = [o for o in offers(self._node, self.name) if o.msgtype in self.types]
            found.sort(key=lambda o: self.types.index(o.msgtype))
            if not self._taken and found != self._found:
                self._found = found  # a publisher of a better type may be found in a moment
                return
            for offer in found:
                # A lost picture is not worth sending again; a lost text is.
                again = offer.reliable and (offer.latched or offer.msgtype == TEXT)
                wanted = offer._replace(reliable=again)
                known = next(iter(self._taken), wanted).msgtype
                if wanted.msgtype == known and wanted not in self._taken:
                    self._subscribe(wanted)

    def _subscribe(self, offer: Offer) -> None:
        def receive(data: bytes) -> None:
            if len(self._taken) == 1 or self._lately.is_new(data, offer, time.monotonic()):
                self._receive(offer.msgtype, data, None)

        def receive_numbered(data: bytes, info: Mapping[str, int | None]) -> None:
            if len(self._taken) == 1:
                self._receive(offer.msgtype, data, info.get("publication_sequence_number"))
            else:
                receive(data)

        # Humble's rclpy calls with the message alone.
        heard: Any = receive_numbered if hasattr(Subscription, "CallbackType") else receive

        self._taken[offer] = self._node.create_subscription(
            message_class(offer.msgtype),
            self.name,
            heard,
            offer.profile(self._depth),
            callback_group=self._group,
            raw=True,
            # rclpy's own would warn of publishers that another subscription takes care of.
            event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
        )


class _Arrival(NamedTuple):
    time_s: float
    content: int
    through: set[Offer]


class _Lately:
    """What came a moment ago, and through which subscriptions."""

    def __init__(self) -> None:
        self._arrivals: deque[_Arrival] = deque()

    def is_new(self, data: bytes, through: Offer, now: float) -> bool:
        """Note a message; whether it is another one than came through the others.

        Args:
            data: its bytes. (Humble's rclpy does not tell a callback when a message was sent.)
            through: the subscription.
            now: steady time, s.
        """
        content = hash(data)
        while self._arrivals and now - self._arrivals[0].time_s > SAME_S:
            self._arrivals.popleft()
        for arrival in self._arrivals:
            if arrival.content == content and through not in arrival.through:
                arrival.through.add(through)
                return False
        self._arrivals.append(_Arrival(now, content, {through}))
        return True
