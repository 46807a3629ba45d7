# SPDX-License-Identifier: Apache-2.0
"""`quantvla evaluate`: play what is missing, write it down, judge it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calib_tools.common.cores import usable_cores
from calib_tools.common.output import write_json
from calib_tools.common.pool import play_in_processes
from calib_tools.common.stopping import Stopped
from calib_tools.evaluate.jobs import Job, JobPlayer
from calib_tools.evaluate.latency import latencies_ms
from calib_tools.evaluate.outcome import Outcome
from calib_tools.evaluate.over_ros import measured_latencies_ms, play_over_ros
from calib_tools.evaluate.plan import GOALS_A_SCENE, PlannedEpisode
from calib_tools.evaluate.progress import RunningSuccess
from calib_tools.evaluate.record import RECORD, make_record
from calib_tools.evaluate.sequential import Look, look, look_sizes
from calib_tools.evaluate.settings import Settings
from calib_tools.evaluate.store import EpisodeStore, Key
from calib_tools.evaluate.variants import Variant

FAILURES, LOGS = "failures", "logs"
Played = Iterator[tuple[Job, Outcome]]


def make_player() -> JobPlayer:
    """The player of a worker; heavy packages are imported there, not here."""
    from calib_tools.evaluate.player import Player

    return Player()


def evaluate(
    variants: Sequence[Variant],
    settings: Settings,
    out: Path,
    workers: int | None = None,
    ray: str | None = None,
    gifs: int = 3,
) -> dict[str, Any]:
    """Play all episodes that are not finished, and write the record.

    Args:
        variants: those of the settings.
        settings: what to play.
        out: directory; an evaluation of the same settings there goes on.
        workers: local processes; as many as there are CPU cores when None.
        ray: address of a Ray cluster to play on instead.
        gifs: failed episodes of each variant to make a GIF of.

    Returns:
        The record, which is also in `out`.

    Raises:
        QuantVLAError: what the user can mend.
        Stopped: the user stopped it; says how many episodes are finished.
    """
    plan = settings.plan()
    workers = workers or usable_cores()
    started = time.monotonic()
    with EpisodeStore(out, settings) as store:
        before = len(store.finished)
        try:
            latency_ms = latencies_ms(settings, variants, out)
            playing = _Evaluation(variants, settings, plan, latency_ms, workers, ray, out)
            last_look = playing.play(store)
            counted = plan[: last_look.episodes] if last_look else plan
            speed = _speed(len(store.finished) - before, time.monotonic() - started, workers)
            failures = playing.show_failures(counted, store.finished, gifs)
            if settings.way == "ros":
                latency_ms = measured_latencies_ms(list(latency_ms), out / LOGS)
        except Stopped as stop:
            total = len(plan) * len(variants)
            stop.text += f" with {len(store.finished)} of {total} episodes finished"
            raise
        record = make_record(
            settings, latency_ms, counted, store.finished, last_look, speed, failures
        )
    write_json(out / RECORD, record)
    return record


def _speed(episodes: int, seconds: float, workers: int) -> dict[str, Any]:
    """Of this run alone, start of the workers included."""
    per_minute = round(60 * episodes / seconds, 1) if episodes else None
    return {
        "episodes": episodes,
        "seconds": round(seconds, 1),
        "workers": workers,
        "episodes_per_minute": per_minute,
    }


@dataclass(frozen=True)
class _Evaluation:
    """What is played, and where."""

    variants: Sequence[Variant]
    settings: Settings
    plan: Sequence[PlannedEpisode]
    latency_ms: dict[str, float]
    workers: int
    ray: str | None
    out: Path

    def play(self, store: EpisodeStore) -> Look | None:
        """Play until all is finished, or decided; the last look of the sequential rule."""
        looks = self._looks()
        found = self._look(looks, store.finished)
        if found is not None and found.decided:
            return found
        jobs = [self._job(v, e) for e in self.plan for v in self.variants]
        missing = [j for j in jobs if (j.variant.label, j.episode.index) not in store.finished]
        labels = [variant.label for variant in self.variants]
        with (
            RunningSuccess(labels, len(jobs), store.finished) as bar,
            closing(self._played(missing)) as played,  # type: ignore[type-var]
        ):
            for job, outcome in played:
                if store.add(job.variant.label, job.episode.index, outcome):
                    bar.add(job.variant.label, outcome)
                found = self._look(looks, store.finished) or found
                if found is not None and found.decided:
                    break
        return found

    def show_failures(
        self, counted: Sequence[PlannedEpisode], finished: Mapping[Key, Outcome], gifs: int
    ) -> list[dict[str, Any]]:
        """Play the first failed episodes of each variant again, with a GIF."""
        if self.settings.way == "ros":
            return []
        jobs = []
        for variant in self.variants:
            failed = [e for e in counted if not finished[(variant.label, e.index)].success]
            for episode in failed[:gifs]:
                name = f"{variant.label.replace('/', '_')}_{episode.index:05d}.gif"
                jobs.append(self._job(variant, episode, self.out / FAILURES / name))
        missing = [job for job in jobs if job.picture is not None and not job.picture.is_file()]
        for _ in play_in_processes(missing, self.workers, make_player):  # here: it writes files
            pass
        return [
            {
                "variant": job.variant.label,
                "index": job.episode.index,
                "gif": f"{FAILURES}/{job.picture.name}",
            }
            for job in jobs
            if job.picture is not None
        ]

    def _job(self, variant: Variant, episode: PlannedEpisode, picture: Path | None = None) -> Job:
        settings = self.settings
        return Job(
            variant,
            episode,
            self.latency_ms[variant.label] / 1000,
            settings.denoise_steps,
            settings.max_seconds,
            picture,
            settings.controller_rate_hz,
        )

    def _played(self, jobs: Sequence[Job]) -> Played:
        if self.settings.way == "ros":
            return play_over_ros(jobs, self.out / LOGS)
        if self.ray is not None:
            from calib_tools.common.ray_cluster import play_on_ray

            return play_on_ray(jobs, self.ray, self.workers, make_player)
        return play_in_processes(jobs, self.workers, make_player)

    def _looks(self) -> list[int]:
        """Sizes at which the rule still has to look, the largest last."""
        if not self.settings.stop_when_decided:
            return []
        block = GOALS_A_SCENE * len(self.settings.tasks) * len(self.settings.shifts)
        return look_sizes(len(self.plan), block)

    def _look(self, looks: list[int], finished: Mapping[Key, Outcome]) -> Look | None:
        """Take the next looks for which all episodes are there; the first that decides ends it."""
        found = None
        labels = [variant.label for variant in self.variants]
        while looks and all((x, i) in finished for x in labels for i in range(looks[0])):
            size = looks.pop(0)
            found = look({x: [finished[(x, i)].success for i in range(size)] for x in labels})
            if found.decided:
                return found
        return found
