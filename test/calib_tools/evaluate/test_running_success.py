# SPDX-License-Identifier: Apache-2.0
"""The running success that is shown while episodes are played."""

from __future__ import annotations

from support.evaluation_players import outcome

from calib_tools.evaluate.progress import RunningSuccess

HUNDRED = {("float", i): outcome(i < 95) for i in range(100)}


def test_it_says_rate_interval_and_number_of_each_variant_that_has_played():
    running = RunningSuccess(["float", "int8"], 200, HUNDRED)
    # Wilson's interval of 95 of 100 and of 1 of 1, computed by hand.
    assert running.text == "float 95.0 % (88.8 to 97.8) of 100"
    with running:
        running.add("int8", outcome())
        assert running.text == (
            "float 95.0 % (88.8 to 97.8) of 100; int8 100.0 % (20.7 to 100.0) of 1"
        )
        running.add("int8", outcome(False))
        assert running.text.endswith("; int8 50.0 % (9.5 to 90.5) of 2")


def test_it_keeps_the_order_of_the_variants_and_says_nothing_before_the_first():
    assert RunningSuccess(["int8", "float"], 4, {}).text == ""
    finished = {("float", 0): outcome(False), ("int8", 0): outcome()}
    shown = RunningSuccess(["int8", "float"], 4, finished).text
    assert shown == "int8 100.0 % (20.7 to 100.0) of 1; float 0.0 % (0.0 to 79.3) of 1"


def test_a_log_begins_with_what_is_finished_and_ends_with_all(capsys):
    with RunningSuccess(["float"], 102, HUNDRED) as running:
        running.add("float", outcome())
        running.add("float", outcome())
    words = " ".join(capsys.readouterr().err.split())
    assert words.startswith("98% float 95.0 % (88.8 to 97.8) of 100")
    assert words.endswith("100% float 95.1 % (89.0 to 97.9) of 102")
