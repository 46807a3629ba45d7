# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of other projects: what an import of any model family reads.

An importer of a family (`Family.importer`) gets a `Checkpoint` and `ImportOptions` and returns
`Imported`, or None where the checkpoint is of another family::

    def importer(checkpoint: Checkpoint, options: ImportOptions) -> Imported | None:
        if checkpoint.config.get("type") != "our_type":
            return None
        pipelines = read_pipelines(checkpoint.path)                # LeRobot's two JSON files
        norm = pipelines.find(Normalize)                           # typed steps, with statistics
        weights = Weights(checkpoint, prefix="model.")             # nothing is read yet
        weights.copy("layers.0.q_proj.weight", "a.layers.0.q_proj.weight")
        weights.make("embed.weight", ("wte",), lambda table: table[:100])
        weights.drop("lm_head.weight")                             # stored, never used
        manifest = BundleManifest(...)
        return Imported(manifest, weights, tokenizer_json(checkpoint, options, asked_for), report)

The command writes it: it compares `weights` with the network, reports too many and too few, and
streams one tensor after the other to disk.

- `checkpoint`: config.json and tensors by name, mapped from one file or shards; LoRA merged.
- `weights`: the network's tensors by name, each made of the checkpoint's when it is written.
- `pipelines`: policy_preprocessor.json and policy_postprocessor.json as typed steps.
- `statistics`: of a feature, from a state file, from buffers of old checkpoints, from a JSON file.
- `robot_mapping`: a checkpoint's cameras, state and actions on a robot.yaml.
- `text`, `sentencepiece`, `byte_pairs`: tokenizer.json from whatever a checkpoint has.
"""
