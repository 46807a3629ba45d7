# SPDX-License-Identifier: Apache-2.0
"""Write a tiny random ACT checkpoint, and a golden file made of it by LeRobot 0.4.4.

    python make_act.py OUT

Patched are only: the operators of torchvision that its wheel cannot load beside a CPU build of
torch, and the width of its ResNet, which no configuration can make small.
"""

from __future__ import annotations

import os
import sys
import tempfile

import making
import torch

os.environ.setdefault("HF_LEROBOT_HOME", tempfile.mkdtemp())
os.environ["HF_HUB_OFFLINE"] = "1"
LIBRARY = making.stub_torchvision()
torch.set_num_threads(1)
SEED, ROWS, NARROW = 61, 9, 16
CAMERAS = ["observation.images.wrist", "observation.images.front"]
golden = making.GoldenFile()


def narrow_resnet():
    """Let torchvision's resnet18 have a sixteenth of its channels; names stay the same."""
    from torchvision.models import resnet

    class Narrow(resnet.ResNet):
        def __setattr__(self, name, value):
            super().__setattr__(name, 4 if name == "inplanes" and value == 64 else value)

        def _make_layer(self, block, planes, blocks, stride=1, dilate=False):
            return super()._make_layer(block, planes // NARROW, blocks, stride, dilate)

    def resnet18(weights=None, **told):
        made = Narrow(resnet.BasicBlock, [2, 2, 2, 2], **told)
        made.fc = torch.nn.Linear(512 // NARROW, 2)
        return made

    import torchvision

    torchvision.models.resnet18 = resnet18


def randomize_norms(model):
    """Frozen batch norms hold buffers, which start as if there were none."""
    generator = torch.Generator().manual_seed(SEED + 9)
    for name, tensor in model.named_buffers():
        if "bn" in name or "downsample.1" in name:
            noise = torch.rand(tensor.shape, generator=generator)
            tensor.copy_(noise - 0.5 if name.endswith(("bias", "mean")) else 0.5 + noise)


def main():
    out = making.empty(sys.argv[1])
    narrow_resnet()
    import lerobot
    import torchvision
    from lerobot.policies.act.configuration_act import ACTConfig
    from lerobot.policies.act.modeling_act import ACTPolicy
    from lerobot.policies.factory import make_pre_post_processors

    pictures = {camera: making.feature("VISUAL", (3, 480, 640)) for camera in CAMERAS}
    config = ACTConfig(
        device="cpu", chunk_size=ROWS, n_action_steps=6, dim_model=32, n_heads=4,
        dim_feedforward=48, n_encoder_layers=2, n_decoder_layers=2, n_vae_encoder_layers=1,
        latent_dim=6, pretrained_backbone_weights=None,
        input_features={**pictures, "observation.state": making.feature("STATE", (7,))},
        output_features={"action": making.feature("ACTION", (7,))},
    )  # fmt: skip
    policy = ACTPolicy(config).eval()
    making.randomize(policy, SEED)
    randomize_norms(policy)
    counts = {"observation.state": 7, "action": 7, **dict.fromkeys(CAMERAS, 3)}
    pre, post = make_pre_post_processors(config, dataset_stats=making.statistics(counts, SEED + 1))
    for part in (policy, pre, post):
        part.save_pretrained(out)
    policy = ACTPolicy.from_pretrained(str(out), config=config).eval()
    pre, post = make_pre_post_processors(config, pretrained_path=str(out))
    seen = making.observation(CAMERAS, SEED + 2)
    golden.put_observation(seen, making.TASK)
    batch = pre(making.batch_of(seen, making.TASK))
    golden.put("pre.state", batch["observation.state"])
    for camera in CAMERAS:
        golden.put(f"pre.{camera}.every_8th", batch[camera][..., ::8, ::8])
    model, maps = policy.model, []

    def keep(name):
        return lambda args, kwargs, out: golden.put(name, out)

    def keep_inputs(args, kwargs, out):
        golden.put("encoder.in", args[0])
        golden.put("encoder.places", kwargs["pos_embed"])

    with making.hooked(
        (model.backbone, lambda args, kwargs, out: maps.append(out["feature_map"])),
        (model.encoder, keep_inputs),
        (model.encoder, keep("encoder.out")),
        (model.decoder.layers[0], keep("decoder.layer_out.0")),
        (model.decoder, keep("decoder.out")),
    ):
        chunk = policy.predict_action_chunk(dict(batch))
    golden.put("vision.maps", torch.cat(maps))
    golden.put("chunk.normalized", chunk)
    golden.put("actions", post(chunk.clone()))
    versions = {"lerobot": lerobot.__version__, "torchvision": torchvision.__version__}
    golden.save(out / "golden.safetensors", family="act", seed=SEED, **versions)
    print(golden["actions"].shape, golden["actions"].abs().max())


if __name__ == "__main__":
    main()
