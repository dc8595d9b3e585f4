"""Tiny models with random weights, drawn shapes, and spans."""

import json
import math

import numpy as np
import torch
from PIL import Image, ImageDraw
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, CLIPConfig, CLIPModel, PreTrainedTokenizerFast

from graphfuse.core.build import build

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    *["a", "red", "blue", "green", "shoe", "bag", "runs", "stops", "the", "and", "of", "to", "in", "it", "is"],
    "shoes",
    "##s",
]


def encoder(**section):
    return build("encoders", section, "encoder")


def whole(*texts):
    """Return one span per text, the whole of it."""
    return [np.array([[0, len(text)]]) for text in texts]


def tokenizer(limit):
    inner = Tokenizer(models.WordPiece({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    inner.normalizer = normalizers.Lowercase()
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", model_max_length=limit
    )


def save_bert(folder, limit=16, hidden=12):
    """Save a text encoder with random weights."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=hidden,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=limit,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer(limit).save_pretrained(folder)
    return folder


def save_clip(folder, limit=8):
    """Save a dual encoder with random weights."""
    torch.manual_seed(0)
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    config = CLIPConfig(
        text_config={
            **small,
            "vocab_size": len(WORDS),
            "max_position_embeddings": limit,
            "bos_token_id": 2,
            "eos_token_id": 3,
            "pad_token_id": 0,
        },
        vision_config={**small, "image_size": 32, "patch_size": 8},
        projection_dim=10,
    )
    CLIPModel(config).save_pretrained(folder)
    tokenizer(limit).save_pretrained(folder)
    return folder


def edit_json(file, **changes):
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


COLOURS = [(220, 40, 40), (40, 160, 60), (40, 80, 220), (240, 210, 40), (150, 60, 190), (240, 140, 30), (40, 200, 210), (120, 75, 40)]
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")


def corners(shape):
    """Return the corners of a shape with radius 1."""
    if shape == "cross":
        arm = 0.32
        return [
            (-arm, -1),
            (arm, -1),
            (arm, -arm),
            (1, -arm),
            (1, arm),
            (arm, arm),
            (arm, 1),
            (-arm, 1),
            (-arm, arm),
            (-1, arm),
            (-1, -arm),
            (-arm, -arm),
        ]
    count, inner = {"square": (4, 1), "triangle": (3, 1), "star": (10, 0.42)}[shape]
    turn = math.pi / 4 if shape == "square" else -math.pi / 2
    angles = [turn + step * 2 * math.pi / count for step in range(count)]
    return [
        (math.cos(angle) * (inner if step % 2 else 1), math.sin(angle) * (inner if step % 2 else 1)) for step, angle in enumerate(angles)
    ]


def draw(canvas, shape, x, y, radius, colour, turn):
    if shape in ("circle", "ring"):
        box = [x - radius, y - radius, x + radius, y + radius]
        if shape == "circle":
            canvas.ellipse(box, fill=colour)
        else:
            canvas.ellipse(box, outline=colour, width=max(2, int(radius * 0.35)))
        return
    cos, sin = radius * math.cos(turn), radius * math.sin(turn)
    canvas.polygon([(x + a * cos - b * sin, y + a * sin + b * cos) for a, b in corners(shape)], fill=colour)


def drawn_cells(rng, grid=4, size=128):
    """Return a picture with one jittered shape per cell, and each cell's (shape, colour)."""
    picture = Image.new("RGB", (size, size), tuple(rng.integers(225, 255, 3).tolist()))
    canvas, cell, answers = ImageDraw.Draw(picture), size / grid, []
    for place in range(grid * grid):
        shape, colour = int(rng.integers(len(SHAPES))), int(rng.integers(len(COLOURS)))
        x, y = ((place % grid + 0.5 + rng.uniform(-0.1, 0.1)) * cell, (place // grid + 0.5 + rng.uniform(-0.1, 0.1)) * cell)
        shade = tuple(np.clip(np.array(COLOURS[colour]) + rng.integers(-20, 21), 0, 255).tolist())
        draw(canvas, SHAPES[shape], x, y, cell * rng.uniform(0.26, 0.38), shade, rng.uniform(-0.25, 0.25))
        answers.append((shape, colour))
    noisy = np.asarray(picture).astype(int) + rng.integers(-6, 7, (size, size, 3))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)), answers


def noise_pictures(rng, count, width=50, height=40):
    return [Image.fromarray(rng.integers(0, 256, (height, width, 3)).astype(np.uint8)) for _ in range(count)]


QUARTERS = np.array([[0, 0, 0.5, 0.5], [0.5, 0, 1, 0.5], [0, 0.5, 0.5, 1], [0.5, 0.5, 1, 1]], dtype=np.float32)
