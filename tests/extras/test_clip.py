"""CLIP and SigLIP of transformers: tiny ones, made on the spot, and never downloaded."""

import ctypes.util
import json

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from reward_synth.content import content_folder
from reward_synth.errors import ConfigError
from reward_synth.looks import LooksConfig
from reward_synth.looks.encoders import load_encoder
from reward_synth.looks.score import Goal
from reward_synth.looks.scorer import make_scorer
from reward_synth.search.worker import Worker

SIDE = 32
SENTENCES = ("a robot kneeling", "a robot")
TOWER = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
VISION = {**TOWER, "image_size": SIDE, "patch_size": 8}
NORMAL = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4]}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A CLIP of 20,000 numbers that reads letters."""
    folder = tmp_path_factory.mktemp("clip")
    tokens = ["<|startoftext|>", "<|endoftext|>"]
    letters = [chr(ord("a") + i) for i in range(26)]
    vocabulary = [*letters, *(f"{x}</w>" for x in letters), *tokens]
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = transformers.CLIPTokenizer(
        vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt")
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    start, end = (vocabulary.index(token) for token in tokens)
    ids = {"bos_token_id": start, "eos_token_id": end, "pad_token_id": end}
    text = {**TOWER, "vocab_size": len(vocabulary), "max_position_embeddings": 24, **ids}
    config = transformers.CLIPConfig(text_config=text, vision_config=VISION, projection_dim=8)
    transformers.CLIPModel(config).save_pretrained(folder)
    shape = {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}}
    transformers.CLIPImageProcessorPil(**shape, **NORMAL).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def siglip(tmp_path_factory):
    """A SigLIP, whose tokenizer has no end of sentence that the model would look for."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("siglip")
    words = ["<pad>", "<unk>", *sorted({w for s in SENTENCES for w in s.split()})]
    core = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    names = {"pad_token": "<pad>", "unk_token": "<unk>", "model_input_names": ["input_ids"]}
    transformers.PreTrainedTokenizerFast(tokenizer_object=core, **names).save_pretrained(folder)
    torch.manual_seed(1)
    text = {**TOWER, "vocab_size": len(words), "max_position_embeddings": 12}
    config = transformers.SiglipConfig(text_config=text, vision_config=VISION)
    transformers.SiglipModel(config).save_pretrained(folder)
    size = {"height": SIDE, "width": SIDE}
    transformers.SiglipImageProcessorPil(size=size, **NORMAL).save_pretrained(folder)
    return folder


@pytest.fixture(params=["clip", "siglip"])
def model(request):
    return request.getfixturevalue(request.param)


def pictures(count, side=SIDE):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, side, side, 3), np.uint8)


def test_pictures_are_normalised_and_embedded_as_the_model_has_it(model):
    """Of the size that the model takes, so that resizing changes nothing."""
    shown = pictures(3)
    found = load_encoder(str(model), 1).pictures(shown)
    pixels = (shown / 255 - NORMAL["image_mean"]) / NORMAL["image_std"]
    net = transformers.AutoModel.from_pretrained(model).eval()
    with torch.inference_mode():
        out = net.vision_model(torch.tensor(pixels, dtype=torch.float32).movedim(-1, 1))
        expected = out.pooler_output
        if hasattr(net, "visual_projection"):
            expected = net.visual_projection(expected)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_the_cosine_is_the_model_s_own(model):
    """At alpha = 0 a score is the similarity that the model itself puts into its logits."""
    encoder, shown = load_encoder(str(model), 1), pictures(4)
    net = transformers.AutoModel.from_pretrained(model).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    longest = net.config.text_config.max_position_embeddings
    padded = {"padding": "max_length", "max_length": longest, "return_tensors": "pt"}
    pixels = (shown / 255 - NORMAL["image_mean"]) / NORMAL["image_std"]
    with torch.inference_mode():
        out = net(
            pixel_values=torch.tensor(pixels, dtype=torch.float32).movedim(-1, 1),
            **tokenizer(list(SENTENCES), **padded),
        )
        logits = out.logits_per_image - getattr(net, "logit_bias", 0.0)
        expected = (logits / net.logit_scale.exp()).numpy()
    for i, embedding in enumerate(encoder.sentences(SENTENCES)):
        scores = Goal.of(embedding, None, 0.0).scores(encoder.pictures(shown))
        np.testing.assert_allclose(scores, expected[:, i], atol=1e-5)
    assert np.abs(expected[:, 0] - expected[:, 1]).max() > 1e-3  # the sentences differ


def test_clip_does_not_see_what_a_sentence_is_filled_up_with(clip):
    tokenizer = transformers.AutoTokenizer.from_pretrained(clip)
    net = transformers.AutoModel.from_pretrained(clip).eval()
    found = load_encoder(str(clip), 1).sentences(["a robot"])
    with torch.inference_mode():
        bare = net.get_text_features(**tokenizer("a robot", return_tensors="pt")).pooler_output
    np.testing.assert_allclose(found, bare.numpy(), atol=1e-5)


def test_pictures_of_another_size_and_long_sentences_do(model):
    encoder = load_encoder(str(model), 1)
    assert encoder.pictures(pictures(2, side=50)).shape == encoder.pictures(pictures(2)).shape
    smooth = np.asarray(Image.fromarray(pictures(1)[0]).resize((64, 64), Image.Resampling.NEAREST))
    small, large = (encoder.pictures(p[None])[0] for p in (pictures(1)[0], smooth))
    assert small @ large > 0.9 * np.linalg.norm(small) * np.linalg.norm(large)
    long = " ".join(["robot"] * 200)
    assert np.isfinite(encoder.sentences([long, "a robot"])).all()


@pytest.mark.skipif(
    not (ctypes.util.find_library("EGL") or ctypes.util.find_library("OSMesa")),
    reason="no GL library: install libegl1 with libgl1-mesa-dri, or libosmesa6",
)
def test_postures_are_scored_the_same_whoever_stands_beside_them(model, tmp_path):
    config = LooksConfig(str(model), *SENTENCES, size=48)
    task = content_folder("envs") / "cartpole_swingup"
    postures = np.array([[0.0, 3.0], [0.3, 1.5], [-0.5, 0.0]], np.float32)
    log = tmp_path / "log"
    with Worker(make_scorer, (task, config, 1), stall_s=120.0, log=log) as there:
        scores = there.call("score", postures)
        again = there.call("score", np.tile(postures, (15, 1)))
    assert np.unique(scores).size == 3
    np.testing.assert_array_equal(again[:3], scores)


@pytest.mark.parametrize("name", ["nobody/no-such-model", "./nowhere"])
def test_a_model_that_is_not_there_is_one_line(name, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConfigError, match=f"looks.model={name} cannot be loaded") as info:
        load_encoder(name, 1)
    assert "\n" not in str(info.value)
    assert "the folder of one that you have downloaded" in str(info.value)


def test_a_model_without_pictures_is_refused(clip, tmp_path):
    config = transformers.BertConfig(**TOWER, vocab_size=60)
    transformers.BertModel(config).save_pretrained(tmp_path)
    transformers.AutoTokenizer.from_pretrained(clip).save_pretrained(tmp_path)
    transformers.AutoImageProcessor.from_pretrained(clip).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="is a BertModel, not a CLIP or SigLIP"):
        load_encoder(str(tmp_path), 1)
