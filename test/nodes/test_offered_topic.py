# SPDX-License-Identifier: Apache-2.0
"""Topics are read as their publishers offer them, on a real graph."""

from __future__ import annotations

import itertools

import pytest
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String
from support.waiting import wait_until

from quantvla_ros.nodes.offered_topic import OfferedTopic
from quantvla_ros.nodes.offers import TEXT, Offer, misfit, nothing_arrived

IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
LATCHED = Offer(TEXT, latched=True, reliable=True)
OFFERS = list(itertools.product([True, False], [True, False]))
_names = itertools.count()


class Reader:
    """A topic of its own, and the texts that came."""

    def __init__(self, node, expected):
        self.name = f"text_{next(_names)}"
        self.texts = []
        self.topic = OfferedTopic(node, self.name, (TEXT,), self._take, 10, expected)

    def _take(self, msgtype, data, number):
        self.texts.append(deserialize_message(data, String).data)

    def hear(self, publisher, text):
        """Publish until it has come: what is sent best effort may be lost."""

        def came():
            self.topic.look()
            publisher.publish(String(data=text))
            return text in self.texts

        wait_until(came, 20, f"{text} (there is {self.texts})")

    def wait_for(self, *texts):
        def came():
            self.topic.look()
            return self.texts == list(texts)

        wait_until(came, 20, lambda: f"{texts} (it is {self.texts})")


def found(topic, publisher):
    def looked():
        topic.look()
        return publisher.get_subscription_count()

    wait_until(looked, 20, "a subscription that fits")


@pytest.mark.parametrize("expected", [None, LATCHED], ids=["nothing expected", "latched expected"])
@pytest.mark.parametrize(("latched", "reliable"), OFFERS)
def test_whatever_is_offered_is_taken(graph, stranger, expected, latched, reliable):
    reader = Reader(graph.node, expected)
    publisher = stranger.publisher(String, reader.name, latched, reliable)
    before = []
    if latched and reliable:  # one that is only sent once may be lost on its way
        publisher.publish(String(data="before"))
        before = ["before"]
    found(reader.topic, publisher)
    reader.wait_for(*before)
    reader.hear(publisher, "after")


def test_a_publisher_replaced_by_one_with_another_qos_is_heard(graph, stranger):
    reader = Reader(graph.node, LATCHED)
    for number, (latched, reliable) in enumerate([*OFFERS, (True, True)]):
        publisher = stranger.publisher(String, reader.name, latched, reliable)
        reader.hear(publisher, f"from publisher {number}")
        stranger.node.destroy_publisher(publisher)
        wait_until(lambda: not graph.node.count_publishers(f"/{reader.name}"), 20, "its end")


def test_every_message_comes_once_and_in_order_from_publishers_that_differ(graph, stranger):
    reader = Reader(graph.node, LATCHED)
    publishers = [stranger.publisher(String, reader.name, *offer) for offer in OFFERS]
    for publisher in publishers:
        found(reader.topic, publisher)
    # Of the first one every subscription hears; the same text again is another message.
    wait_until(lambda: publishers[0].get_subscription_count() == 4, 20, "all subscriptions")
    texts = ["a", "b", "a", "a", "c"]
    for text in texts:
        publishers[0].publish(String(data=text))
    reader.wait_for(*texts)
    reader.hear(publishers[3], "d")
    assert reader.texts[: len(texts) + 1] == [*texts, "d"]  # nothing came twice


def test_of_two_types_that_can_be_read_the_better_one_is(graph, stranger):
    taken = []
    topic = OfferedTopic(graph.node, "pictures", (IMAGE, COMPRESSED), lambda *m: taken.append(m), 5)
    other = type(stranger)("other")
    try:
        other.publisher(CompressedImage, "pictures")
        publisher = stranger.publisher(Image, "pictures", latched=True, reliable=False)
        wait_until(lambda: graph.node.count_publishers("/pictures") == 2, 20, "both publishers")
        found(topic, publisher)
        wait_until(lambda: publisher.publish(Image(width=3)) or taken, 20, "the picture")
        msgtype, data, number = taken[0]
        assert isinstance(number, int), "what its publisher counts"
        assert (msgtype, deserialize_message(data, Image).width) == (IMAGE, 3)
        assert misfit(graph.node, "/pictures", (IMAGE,)) == ""
    finally:
        other.close()


def test_what_does_not_fit_is_told_with_who_offers_it(graph, stranger):
    node, topic = graph.node, "/told"
    nothing = "Nothing arrived on /told in 2 s: "
    assert nothing_arrived(node, topic, (IMAGE,), 2.0).startswith(f"{nothing}it has no publisher;")
    assert misfit(node, topic, (IMAGE,)) == ""
    publisher = stranger.publisher(CompressedImage, topic)
    wait_until(lambda: node.count_publishers(topic), 20, "the publisher")
    wrong = f"/stranger publishes {COMPRESSED} there, and needed is {IMAGE}"
    wait_until(lambda: misfit(node, topic, (IMAGE,)) == wrong, 20, "the name of the publisher")
    assert nothing_arrived(node, topic, (IMAGE,), 2.0) == f"{nothing}{wrong}."
    sent = f"{nothing}/stranger publishes it and has sent nothing; does its device work?"
    assert nothing_arrived(node, topic, (IMAGE, COMPRESSED), 2.0) == sent
    stranger.node.destroy_publisher(publisher)
    text = "/told_text"
    stranger.publisher(String, text)
    wait_until(lambda: node.count_publishers(text), 20, "the text's publisher")
    kept = "/stranger publishes it and keeps nothing for those who come later (volatile)"
    wait_until(lambda: kept in nothing_arrived(node, text, (TEXT,), 2.0), 20, "its name")
