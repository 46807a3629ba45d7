# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from calib_tools.buffer.collector import Collector
from calib_tools.common.progress import Bar
from calib_tools.record.progress import CollectorProgress


def test_a_log_gets_lines_and_not_each_step(capsys):
    with Bar("work", 100.0) as bar:
        for done in range(101):
            bar.show(done, f"step {done}")
    shown = capsys.readouterr()
    assert shown.out == ""
    lines = shown.err.strip().splitlines()
    assert lines[0].split() == ["0%", "step", "0"]
    assert lines[-1].split() == ["100%", "step", "100"]
    assert len(lines) < 10


def test_names_that_look_like_markup_are_shown_as_they_are(capsys):
    with Bar("work in [/a]", 1.0) as bar:
        bar.note("the bag 'it's [red] [/b]'")
        bar.show(1.0, "5 missing [/wrist]")
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["the bag 'it's [red] [/b]'", "100% 5 missing [/wrist]"]


def test_a_collection_shows_what_is_kept_and_what_is_rejected(capsys, config, streams):
    collector = Collector(config, 32)
    with CollectorProgress(collector, 32) as bar:
        for message in streams.robot(16)[1:]:
            collector.add(message)
        bar.update()
    assert "0 different, 0 near-duplicate, 16 no instruction" in capsys.readouterr().err
