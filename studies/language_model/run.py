# SPDX-License-Identifier: Apache-2.0
"""One variant after the other; what is done lies in a folder, so that the study can go on."""

from __future__ import annotations

import math
import time
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from calib_tools.common.output import claim_directory, read_json, write_json
from calib_tools.common.progress import Report
from calib_tools.quantize.work_directory import WorkDirectory
from quantvla_ros.quantization.modules import linear_at
from studies.language_model.choice import Divergence, left_float
from studies.language_model.cost import rotation_cost
from studies.language_model.network import Llama, groups_of, linear_names
from studies.language_model.subject import (
    Quantizer,
    Subject,
    fit_static,
    observe,
    perplexity,
)
from studies.language_model.table import KIND
from studies.language_model.texts import WINDOW, read_texts
from studies.language_model.variants import VARIANTS, Variant
from studies.language_model.weights import load_model

FLOAT, FIT = "float", "fit"
ROTATED = "layers.0.mlp.down_proj"  # one of the layers that may be rotated online


class Run:
    """The study; everything that costs time is made when it is first needed."""

    def __init__(self, work: Path, report: Report) -> None:
        """Load the network and both texts."""
        self._report = report
        self._network, tokenizer, self._weights = load_model()
        self._texts = read_texts(tokenizer)
        claim_directory(work, {"kind": KIND, **self._weights, **self._texts.about})
        self._work = work

    def all(self) -> dict[str, Any]:
        """Everything that the record says."""
        reference = self._kept(FLOAT, lambda: {"perplexity": self._perplexity(self._network)})
        found = {}
        for index, variant in enumerate(VARIANTS):
            layers = self._layers(variant)
            found[variant.name] = self._kept(variant.name, partial(self._measure, variant, layers))
            if all(later.form != variant.form for later in VARIANTS[index + 1 :]):
                layers.discard()
            else:
                layers.close()
        for one in found.values():
            one["increase"] = one["perplexity"] / reference["perplexity"] - 1.0
        names = linear_names(self._network)
        return {
            "network": {**self._weights, "linears": len(names)},
            "texts": self._texts.about,
            "float_perplexity": reference["perplexity"],
            "variants": found,
            "fit": read_json(self._file(FIT)),
            "rotation": rotation_cost(linear_at(self._network, ROTATED), WINDOW),
        }

    def _layers(self, variant: Variant) -> WorkDirectory:
        return WorkDirectory(self._work / variant.form, {})

    def _measure(self, variant: Variant, layers: WorkDirectory) -> dict[str, Any]:
        quantizer = Quantizer(self._fitted if variant.fitted else self._plain, variant, layers)
        kept = self._left_float(variant, quantizer, layers) if variant.float_share else []
        if variant.sequential:
            network = quantizer.in_sequence(self._texts.calibration)
        else:
            network = quantizer.whole(kept)
        return {
            "perplexity": self._perplexity(network),
            "left_float": kept,
        }

    def _left_float(
        self, variant: Variant, quantizer: Quantizer, layers: WorkDirectory
    ) -> list[str]:
        """Measure each group of layers alone."""
        network = self._fitted.network
        divergence: Divergence | None = None
        errors = {}
        for group in groups_of(network):
            found = layers.measure(group[0], variant.bits)
            if found is None:
                divergence = divergence or Divergence(network, self._texts.choice)
                modules = {name: quantizer.layer(name) for name in group}
                found = {"divergence": divergence.of(modules)}
                layers.keep_measure(group[0], variant.bits, found)
            errors[group] = float(found["divergence"])
        return left_float(network, errors, variant.float_share)

    @cached_property
    def _plain(self) -> Subject:
        self._report("observe the float network")
        return Subject(self._network, observe(self._network, self._texts.calibration))

    @cached_property
    def _fitted(self) -> Subject:
        self._report("fit transforms to static ranges")
        start = time.process_time()
        network, record = fit_static(self._network, self._plain.statistics)
        record["cpu_seconds"] = round(time.process_time() - start, 1)
        if not self._file(FIT).exists():
            write_json(self._file(FIT), record)
        self._report("observe the transformed network")
        return Subject(network, observe(network, self._texts.calibration))

    def _perplexity(self, network: Llama) -> float:
        return perplexity(network, self._texts.evaluation)

    def _kept(self, name: str, make: Any) -> dict[str, Any]:
        file = self._file(name)
        if not file.exists():
            self._report(name)
            write_json(file, make())
            value = read_json(file)["perplexity"]
            self._report(f"  perplexity {value:.2f}")
        found: dict[str, Any] = read_json(file)
        assert math.isfinite(found["perplexity"]), name
        return found

    def _file(self, name: str) -> Path:
        return (
            self._work / f"{name.replace(' ', '-').replace(',', '').replace('%', 'percent')}.json"
        )
