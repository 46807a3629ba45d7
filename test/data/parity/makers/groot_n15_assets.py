# SPDX-License-Identifier: Apache-2.0
"""What LeRobot 0.4.4 would download for GR00T N1.5: Eagle's tokenizer, template and sizes, tiny."""

from __future__ import annotations

import json

import making

SIZE, TOKENS = 28, 4
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
