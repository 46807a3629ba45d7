# SPDX-License-Identifier: Apache-2.0
"""Write a tiny random GR00T N1.5 checkpoint, and a golden file made of it by LeRobot 0.4.4.

    python make_groot_n15.py OUT

Patched are only: the operators of torchvision that its wheel cannot load beside a CPU build of
torch, flash-attention (the same attention is computed eagerly), and the sizes of the backbone,
which LeRobot reads from the hub.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import making
import numpy as np
import torch
from groot_n15_assets import SIZE, write_assets

HOME = os.environ.setdefault("HF_LEROBOT_HOME", tempfile.mkdtemp())
os.environ["HF_HUB_OFFLINE"] = "1"
LIBRARY = making.stub_torchvision()
torch.set_num_threads(1)
SEED, ROWS, CHUNK = 15, 9, 6
REPOSITORY = "lerobot/eagle2hg-processor-groot-n1p5"
CAMERAS = ["observation.images.wrist", "observation.images.front"]  # not in LeRobot's order
WORDS = ["", "open it", 'it\'s "here"\\', "a\nb\tc", "去拿红色的方块", "🤖 up", "שלום", "!?"]
HEAD = {
    "action_dim": 12, "action_horizon": ROWS, "add_pos_embed": True, "backbone_embedding_dim": 48,
    "diffusion_model_cfg": {
        "attention_head_dim": 8, "cross_attention_dim": 48, "dropout": 0.2, "final_dropout": True,
        "interleave_self_attention": True, "norm_type": "ada_norm", "num_attention_heads": 4,
        "num_layers": 4, "output_dim": 24, "positional_embeddings": None,
    },
    "hidden_size": 24, "input_embedding_dim": 32, "max_action_dim": 12, "max_state_dim": 20,
    "max_seq_len": 32, "model_dtype": "float32", "noise_beta_alpha": 1.5, "noise_beta_beta": 1.0,
    "noise_s": 0.999, "num_inference_timesteps": 4, "num_target_vision_tokens": 5,
    "num_timestep_buckets": 1000, "use_vlln": True,
    "vl_self_attention_cfg": {
        "attention_head_dim": 12, "dropout": 0.2, "final_dropout": True, "num_attention_heads": 4,
        "num_layers": 2, "positional_embeddings": None,
    },
}  # fmt: skip
golden = making.GoldenFile()


def build_model(eagle):
    """Let LeRobot find a network with weights of its own in place of a download; its settings."""
    import lerobot.policies.groot.eagle2_hg_model.modeling_eagle2_5_vl as modeling
    import lerobot.policies.groot.groot_n1 as groot
    from lerobot.policies.groot.eagle2_hg_model.configuration_eagle2_5_vl import Eagle25VLConfig

    told = {key: value for key, value in eagle.items() if key not in ("auto_map", "model_type")}
    config = Eagle25VLConfig(**told, _attn_implementation="eager")
    config.text_config._attn_implementation = "eager"
    tower = modeling.SiglipVisionModel

    class Eager(tower):
        def __init__(self, config):
            config._attn_implementation = "eager"
            super().__init__(config)

    class Configs:
        from_pretrained = staticmethod(lambda *_, **__: config)

    class Models:
        from_config = staticmethod(lambda c, **_: modeling.Eagle25VLForConditionalGeneration(c))

    modeling.SiglipVisionModel = Eager
    groot.AutoConfig, groot.AutoModel = Configs, Models
    backbone = {
        "eagle_path": "tiny", "load_bf16": False, "project_to_dim": None, "select_layer": 4,
        "reproject_vision": False, "tune_llm": False, "tune_visual": True,
        "use_flash_attention": True,
    }  # fmt: skip
    settings = groot.GR00TN15Config(
        action_dim=12, action_head_cfg=HEAD, action_horizon=ROWS, backbone_cfg=backbone,
        compute_dtype="float32", hidden_size=48,
    )  # fmt: skip
    model = groot.GR00TN15(settings, local_model_path="tiny").eval()
    making.randomize(model, SEED)
    groot.GR00TN15.from_pretrained = classmethod(lambda *_, **__: model)
    return settings


def build_policy(out):
    """Policy and pipelines, written and read again."""
    from lerobot.policies.factory import make_pre_post_processors
    from lerobot.policies.groot.configuration_groot import GrootConfig
    from lerobot.policies.groot.modeling_groot import GrootPolicy

    pictures = {camera: making.feature("VISUAL", (3, 480, 640)) for camera in CAMERAS}
    config = GrootConfig(
        device="cpu", use_bf16=False, chunk_size=ROWS, n_action_steps=CHUNK, max_state_dim=20,
        max_action_dim=12, base_model_path="tiny", tokenizer_assets_repo=REPOSITORY,
        input_features={**pictures, "observation.state": making.feature("STATE", (7,))},
        output_features={"action": making.feature("ACTION", (7,))},
    )  # fmt: skip
    counts = {"observation.state": 7, "action": 7, CAMERAS[0]: 3}
    stats = making.statistics(counts, SEED + 1)
    policy = GrootPolicy(config).eval()
    pre, post = make_pre_post_processors(config, dataset_stats=stats)
    for part in (policy, pre, post):
        part.save_pretrained(out)
    read = GrootPolicy.from_pretrained(str(out), config=config).eval()
    pre, post = make_pre_post_processors(config, pretrained_path=str(out), dataset_stats=stats)
    return read, pre, post


def run(policy, pre, post, seen):
    """One prediction with everything in between written down."""
    batch = pre(making.batch_of(seen, making.TASK))
    for key, value in batch.items():
        if isinstance(value, torch.Tensor) and (key.startswith("eagle_") or "state" in key):
            golden.put(f"pre.{key}", value)
    golden.put("pre.embodiment_id", batch["embodiment_id"])
    model = policy._groot_model
    eagle, head = model.backbone.eagle_model, model.action_head
    steps, times = [], []

    def keep(name, part=lambda out: out):
        return lambda args, kwargs, out: golden.put(name, part(out))

    layers = eagle.language_model.model.layers
    first = torch.is_tensor
    watched = [
        (eagle.vision_model, keep("vision.last_hidden", lambda out: out.last_hidden_state)),
        (eagle.mlp1, keep("vision.connected")),
        *(
            (layer, keep(f"backbone.layer_out.{n}", lambda out: out if first(out) else out[0]))
            for n, layer in enumerate(layers)
        ),
        (model.backbone, keep("backbone.features", lambda out: out["backbone_features"])),
        (head.vlln, keep("head.vlln")),
        (head.vl_self_attention, keep("head.vl_features")),
        (head.state_encoder, keep("head.state_features")),
        (head.action_encoder, lambda args, kwargs, out: steps.append([args[0].clone()])),
        (head.action_decoder, lambda args, kwargs, out: steps[-1].append(out[:, -ROWS:].clone())),
        (head.model.timestep_encoder, lambda args, kwargs, out: times.append(out.clone())),
    ]
    torch.manual_seed(SEED + 3)  # the noise is drawn inside; it is read back from the first step
    with making.hooked(*watched):
        chunk = policy.predict_action_chunk(dict(batch))
    golden.put("noise", steps[0][0])
    golden.put("step.x_t", torch.stack([x_t for x_t, _ in steps]))
    golden.put("step.v_t", torch.stack([v_t for _, v_t in steps]))
    golden.put("step.temb", torch.stack(times))
    padded = steps[-1][0] + 0.25 * steps[-1][1]
    assert torch.equal(padded[..., :7], chunk)
    golden.put("chunk.padded", padded)
    golden.put("chunk.normalized", chunk)
    # LeRobot's last step takes one row of a chunk at a time, as its select_action gives them.
    rows = [post(row.clone()) for row in chunk.transpose(0, 1)]
    golden.put("actions", torch.stack(rows, dim=1))
    policy._groot_model.compute_dtype, policy.config.use_bf16 = "bfloat16", True
    torch.manual_seed(SEED + 3)
    golden.put("bf16.chunk.normalized", policy.predict_action_chunk(dict(batch)).float())


def put_words(pre, seen):
    """Token ids of instructions that are hard to write."""
    golden.put("words.text", json.dumps(WORDS))
    for number, words in enumerate(WORDS):
        batch = pre(making.batch_of(seen, words))
        golden.put(f"words.{number}.ids", batch["eagle_input_ids"])


def put_nvidia(seen):
    """The pictures as NVIDIA's transforms leave them, by the same functions of torchvision."""
    import torchvision.transforms.v2 as v2

    for side in (SIZE, 224):
        for number, camera in enumerate(sorted(CAMERAS)):
            frames = torch.from_numpy(seen[camera])[None].float() / 255.0
            frames = frames.permute(0, 3, 1, 2)
            frames = v2.CenterCrop((int(480 * 0.95), int(640 * 0.95)))(frames)
            bilinear = v2.InterpolationMode.BILINEAR
            frames = v2.Resize((side, side), interpolation=bilinear, antialias=True)(frames)
            frame = (frames.permute(0, 2, 3, 1) * 255).to(torch.uint8)[0].numpy()
            golden.put(f"nvidia.frame.{side}.{number}", frame if side == SIZE else _sum(frame))


def _sum(frame):
    """What tells a large picture: the sums of its rows and columns."""
    wide = frame.astype(np.int64)
    return np.concatenate([wide.sum(axis=0), wide.sum(axis=1)])


def main():
    out = making.empty(sys.argv[1])
    home = Path(HOME) / REPOSITORY
    eagle = write_assets(home)
    hub = out / "hub" / REPOSITORY
    hub.mkdir(parents=True)
    kept = ("tokenizer.json", "tokenizer_config.json", "config.json", "preprocessor_config.json")
    for name in (*kept, "processor_config.json", "chat_template.json"):
        shutil.copy(home / name, hub / name)
    settings = build_model(eagle)
    policy, pre, post = build_policy(out)
    base = out / "base"
    base.mkdir()
    told = {"model_type": "gr00t_n1_5", "architectures": ["GR00T_N1_5"], "action_dim": 12}
    told |= {"action_horizon": ROWS, "action_head_cfg": HEAD}
    told |= {"backbone_cfg": settings.backbone_cfg, "compute_dtype": "float32"}
    (base / "config.json").write_text(json.dumps(told, indent=1))
    seen = making.observation(CAMERAS, SEED + 2)
    golden.put_observation(seen, making.TASK)
    put_words(pre, seen)
    put_nvidia(seen)
    run(policy, pre, post, seen)
    import lerobot
    import transformers

    versions = {"lerobot": lerobot.__version__, "transformers": transformers.__version__}
    golden.save(out / "golden.safetensors", family="groot_n15", seed=SEED, **versions)
    (out / "README.md").unlink(missing_ok=True)
    print(golden["actions"].shape, golden["actions"].abs().max())


if __name__ == "__main__":
    main()
