"""What puts pictures and sentences into one space: transformers' CLIP and SigLIP, or your own."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from reward_synth.errors import ConfigError


class Encoder(Protocol):
    """A vision-language model; one of your own needs no more than this.

    The same pictures in the same order must give the same bits, or a training that was stopped
    does not continue to the same end.
    """

    def pictures(self, pictures: np.ndarray) -> np.ndarray:
        """Return embeddings, (F, D), of pictures, (F, H, W, 3) uint8."""
        ...

    def sentences(self, sentences: Sequence[str]) -> np.ndarray:
        """Return embeddings, (n, D), of n sentences."""
        ...


def load_encoder(model: str, threads: int) -> Encoder:
    """Load a model by its name, its folder, or "module:function".

    Args:
      model: see ``LooksConfig.model``; the function is called without arguments.
      threads: of the processor for the model; 0 for its own choice.

    Raises:
      ConfigError: there is no such model, with what would do.
    """
    if ":" in model:
        return _own(model)
    return TransformersEncoder(model, threads)


def _own(model: str) -> Encoder:
    module, _, name = model.partition(":")
    try:
        return getattr(importlib.import_module(module), name)()
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"looks.model={model} cannot be imported ({error}): name a function of an installed "
            "module, or of one on PYTHONPATH."
        ) from error


class TransformersEncoder:
    """A CLIP or SigLIP of the transformers library; implements ``Encoder``.

    It runs on the GPU if torch finds one, else on the CPU.

    Args:
      model: its name at the model hub, or a folder.
      threads: processor threads; 0 for torch's own choice.

    Raises:
      ConfigError: it cannot be loaded, or is no model of pictures and sentences.
    """

    def __init__(self, model: str, threads: int) -> None:
        import torch
        import transformers

        if threads:
            torch.set_num_threads(threads)
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        auto = (transformers.AutoModel, transformers.AutoTokenizer)
        try:
            self._model, self._tokenizer = (part.from_pretrained(model) for part in auto)
            # The one that needs no torchvision.
            self._processor = transformers.AutoImageProcessor.from_pretrained(model, backend="pil")
        except Exception as error:  # the hub's library raises whatever the network led to
            raise ConfigError(
                f"looks.model={model} cannot be loaded ({_first_line(error)}). Give the name of a "
                "CLIP or SigLIP at the model hub, or the folder of one that you have downloaded."
            ) from error
        if not hasattr(self._model, "get_image_features"):
            kind = type(self._model).__name__
            raise ConfigError(f"looks.model={model} is a {kind}, not a CLIP or SigLIP.")
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model.to(self._device).eval()

    def pictures(self, pictures: np.ndarray) -> np.ndarray:
        """Return embeddings, (F, D), of pictures, (F, H, W, 3) uint8."""
        pixels = self._processor(list(pictures), return_tensors="pt")
        return self._features(self._model.get_image_features, **pixels)

    def sentences(self, sentences: Sequence[str]) -> np.ndarray:
        """Return embeddings, (n, D), of n sentences."""
        # SigLIP was trained on sentences filled up to one length (Zhai et al. 2023); CLIP reads
        # no further than a sentence's end, so that it is the same to it.
        longest = self._model.config.text_config.max_position_embeddings
        tokens = self._tokenizer(
            list(sentences),
            padding="max_length",
            truncation=True,
            max_length=longest,
            return_tensors="pt",
        )
        return self._features(self._model.get_text_features, **tokens)

    def _features(self, function: Any, **inputs: Any) -> np.ndarray:  # noqa: ANN401
        import torch

        with torch.inference_mode():
            features = function(**{k: x.to(self._device) for k, x in inputs.items()})
        # transformers 5 returns the tower's whole output, 4 the projected vectors alone.
        features = getattr(features, "pooler_output", features)
        return features.float().cpu().numpy()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".:") if lines else type(error).__name__
