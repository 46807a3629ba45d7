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

HOME = os.environ.setdefault("HF_LEROBOT_HOME", tempfile.mkdtemp())
os.environ["HF_HUB_OFFLINE"] = "1"
LIBRARY = making.stub_torchvision()
torch.set_num_threads(1)
SEED, ROWS, CHUNK, SIZE, TOKENS = 15, 9, 6, 28, 4
REPOSITORY = "lerobot/eagle2hg-processor-groot-n1p5"
CAMERAS = ["observation.images.wrist", "observation.images.front"]  # not in LeRobot's order
WORDS = ["", "open it", 'it\'s "here"\\', "a\nb\tc", "去拿红色的方块", "🤖 up", "שלום", "!?"]
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<IMG_CONTEXT>", "<img>", "</img>"]
CORPUS = [
    making.TASK, "['pick up the cube']", "['open the drawer']", "move the arm to the left",
    "system\nYou are a helpful assistant.", "user\n", "assistant\n", "<image 1>", "<image 2>",
] * 4  # fmt: skip
TEMPLATE = (
    "{% set n = namespace(value=0) %}{% for m in messages %}"
    "{% if loop.first and m['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ m['role'] }}\n{% for c in m['content'] %}{% if c['type'] == 'image' %}"
    "{% set n.value = n.value + 1 %}<image-{{ n.value }}>{% else %}{{ c['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Writes what the published template writes for such chats."""
LANGUAGE = {
    "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "attention_bias": False,
    "head_dim": 16, "hidden_act": "silu", "hidden_size": 48, "intermediate_size": 80,
    "max_position_embeddings": 512, "num_attention_heads": 4, "num_hidden_layers": 6,
    "num_key_value_heads": 2, "rms_norm_eps": 1e-6, "rope_theta": 1000000,
    "tie_word_embeddings": True,
}  # fmt: skip
VISION = {
    "model_type": "siglip_vision_model", "hidden_act": "gelu_pytorch_tanh", "hidden_size": 32,
    "image_size": SIZE, "intermediate_size": 48, "layer_norm_eps": 1e-6, "num_attention_heads": 4,
    "num_channels": 3, "num_hidden_layers": 2, "patch_size": 14,
}  # fmt: skip
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


def write_assets(folder):
    """Tokenizer, template and configurations that LeRobot would download; returns Eagle's."""
    from tokenizers import (
        AddedToken,
        Regex,
        Tokenizer,
        models,
        normalizers,
        pre_tokenizers,
        trainers,
    )
    from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

    folder.mkdir(parents=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated")
    pieces = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pieces])
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=400, show_progress=False, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in SPECIAL])
    tokenizer.save(str(folder / "tokenizer.json"))
    model = json.loads(tokenizer.to_str())["model"]
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in model["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    ids = {token: tokenizer.token_to_id(token) for token in SPECIAL}
    flags = dict.fromkeys(("lstrip", "normalized", "rstrip", "single_word"), False)
    decoder = {str(n): {"content": t, **flags, "special": True} for t, n in ids.items()}
    processors = {
        "AutoImageProcessor": "image_processing_eagle2_5_vl_fast.Eagle25VLImageProcessorFast",
        "AutoProcessor": "processing_eagle2_5_vl.Eagle25VLProcessor",
    }
    eagle = {
        "auto_map": {"AutoConfig": "configuration_eagle2_5_vl.Eagle25VLConfig"},
        "downsample_ratio": 0.5, "force_image_size": SIZE, "mlp_connector_layers": 1,
        "model_type": "eagle_2_5_vl", "select_layer": -1, "use_pixel_shuffle": False,
        "image_token_index": ids["<IMG_CONTEXT>"], "vision_config": VISION,
        "text_config": {**LANGUAGE, "vocab_size": tokenizer.get_vocab_size()},
    }  # fmt: skip
    contents = {
        "vocab.json": model["vocab"],
        "added_tokens.json": ids,
        "chat_template.json": {"chat_template": TEMPLATE},
        "special_tokens_map.json": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
        "generation_config.json": {},
        "config.json": eagle,
        "preprocessor_config.json": {
            "auto_map": processors, "crop_size": None, "do_center_crop": None, "do_pad": False,
            "do_convert_rgb": True, "do_normalize": True, "do_rescale": True, "do_resize": False,
            "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "max_dynamic_tiles": 12,
            "image_processor_type": "Eagle25VLImageProcessorFast", "min_dynamic_tiles": 1,
            "pad_during_tiling": False, "processor_class": "Eagle25VLProcessor", "resample": 3,
            "rescale_factor": 1 / 255, "size": {"height": SIZE, "width": SIZE},
            "use_thumbnail": True,
        },
        "processor_config.json": {
            "auto_map": processors, "image_end_token": "</img>", "image_placeholder": "image",
            "image_start_token": "<img>", "image_token": "<IMG_CONTEXT>",
            "processor_class": "Eagle25VLProcessor", "tokens_per_tile": TOKENS,
            "video_placeholder": "video", "video_token": "<IMG_CONTEXT>",
        },
        "tokenizer_config.json": {
            "add_prefix_space": False, "added_tokens_decoder": decoder, "bos_token": None,
            "additional_special_tokens": SPECIAL[1:], "eos_token": "<|im_end|>",
            "clean_up_tokenization_spaces": False, "errors": "replace", "model_max_length": 16384,
            "pad_token": "<|endoftext|>", "processor_class": "Eagle25VLProcessor",
            "split_special_tokens": False, "tokenizer_class": "Qwen2Tokenizer", "unk_token": None,
        },
    }  # fmt: skip
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content, indent=1, ensure_ascii=False))
    return eagle


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
