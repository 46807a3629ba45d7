# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of other projects: what an import of any model family reads.

An importer of a family (`Family.importer`) gets a `Checkpoint` and `ImportOptions` and returns
`Imported`, or None where the checkpoint is of another family::

    def importer(checkpoint: Checkpoint, options: ImportOptions) -> Imported | None:
        if checkpoint.config.get("type") != "our_type":
            return None
        pipelines = read_pipelines(checkpoint, own={"our_new_line_processor"})
        said = read_policy_config(checkpoint, OurConfig)
        norm = pipelines.normalization(said.states, said.actions, 50, options.statistics)
        cameras = map_cameras(options.robot, said.pictures, (224, 224), pipelines.renamed)
        spaces = Spaces(said.states, said.actions, horizon=50, state_width=32, action_width=32)
        interface = map_robot(options.robot, spaces, cameras, options.rate)
        manifest = float_manifest(FAMILY, sizes, interface, norm, ...)
        weights = Weights(checkpoint, prefix="model.")             # nothing is read yet
        weights.copy("layers.0.q_proj.weight", "a.layers.0.q_proj.weight")
        weights.make("embed.weight", ("wte",), lambda table: table[:100])
        weights.drop("lm_head.weight")                             # stored, never used
        tokenizer = find_tokenizer(checkpoint, options.tokenizer, step)
        return Imported(manifest, weights, tokenizer, cameras, notes=("...",))

The command writes it: it compares `weights` with the network, says what is too many or too few,
makes the contract report, and streams one tensor after the other to disk.

- `checkpoint`: config.json and tensors by name, mapped from one file or shards; LoRA merged.
- `policy_config`: what config.json says of any policy: pictures, counts of state and actions.
- `weights`: the network's tensors by name, each made of the checkpoint's when it is written.
- `pipelines`: policy_preprocessor.json and policy_postprocessor.json as typed steps.
- `statistics`: of a feature, from a state file, from buffers of old checkpoints, from a JSON file.
- `robot_mapping`: a checkpoint's cameras, state and actions on a robot.yaml.
- `text`, `sentencepiece`, `byte_pairs`: tokenizer.json from whatever a checkpoint has.
- `contract`: the report of what was understood.
"""
