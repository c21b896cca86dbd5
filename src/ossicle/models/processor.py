"""The transformers face of the Renderer: the same ids, for transformers' own ``generate`` and for vLLM."""

from typing import Any, ClassVar

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoFeatureExtractor, AutoProcessor, BatchFeature, ProcessorMixin, SequenceFeatureExtractor

from ossicle.models.config import OssicleAudioConfig, OssicleConfig
from ossicle.models.integrations import integrations
from ossicle.models.lalm import build_audio


class OssicleFeatureExtractor(SequenceFeatureExtractor):
    """Samples → the encoder's features, cut into its windows.

    Args:
        encoder: component spec, ``{"type": ..., **options}``.
        projector: component spec; it is asked how many tokens a window gives.
        text_dim: width of the language model.
        integration: which says how many audio ids stand for a recording.
    """

    model_input_names: ClassVar = ["input_features", "feature_lengths"]

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        projector: dict[str, Any] | None = None,
        text_dim: int = 8,
        integration: str = "prompt",
        **kwargs: Any,
    ) -> None:
        self.encoder = encoder or {"type": "melnet"}
        self.projector = projector or {"type": "linear"}
        self.text_dim = text_dim
        self.integration = integration
        with torch.device("meta"):
            config = OssicleAudioConfig(encoder=self.encoder, projector=self.projector)
            built = build_audio(config, text_dim)
        # What a saved extractor brings along of its base class is a fact of the encoder.
        facts = {"feature_size": 1, "sampling_rate": built[0].sample_rate, "padding_value": 0.0}
        super().__init__(**{**kwargs, **facts})
        object.__setattr__(self, "_parts", built)

    @property
    def chunk_length(self) -> float:
        """Seconds of the longest window (vLLM tries a recording of that length)."""
        encoder, _ = self._parts
        return encoder.window_samples / encoder.sample_rate

    def num_tokens(self, num_samples: int) -> int:
        """Audio ids of a recording."""
        encoder, projector = self._parts
        spans = encoder.windows(num_samples)
        num_tokens = projector.num_tokens([encoder.num_frames(span.num_samples) for span in spans])
        return integrations.get(self.integration).placeholders(num_tokens)

    def __call__(self, audio: Any, sampling_rate: int | None = None, **kwargs: Any) -> BatchFeature:
        """Mono recordings at ``sampling_rate`` → features [R, T, …] and their lengths [R], a row for each recording.

        Where one is longer than a window, each has several, [R, W, T, …] and [R, W]; the length of one that a recording
        does not have is 0.

        Raises:
            ValueError: another sampling rate than the encoder's.
        """
        encoder, _ = self._parts
        if sampling_rate not in (None, encoder.sample_rate):
            raise ValueError(f"this model hears {encoder.sample_rate} Hz, not {sampling_rate}; resample first.")
        recordings = [audio] if isinstance(audio, np.ndarray) and audio.ndim == 1 else list(audio)
        windows, counts, spans_of = [], [], []
        for samples in recordings:
            samples = np.asarray(samples, np.float32).reshape(1, -1)
            spans = encoder.windows(samples.shape[1])
            windows += [encoder.prepare(samples[:, span.start : span.end]) for span in spans]
            spans_of.append(len(spans))
            counts.append(self.num_tokens(samples.shape[1]))
        features = pad_sequence(windows, batch_first=True)
        lengths = torch.tensor([len(window) for window in windows])
        if set(spans_of) != {1}:
            features, lengths = (pad_sequence(all_.split(spans_of), batch_first=True) for all_ in (features, lengths))
        made = {"input_features": features, "feature_lengths": lengths, "num_audio_tokens": counts}
        if integrations.get(self.integration).numbers_recordings:
            made["audio_recordings"] = torch.arange(len(spans_of)).repeat_interleave(torch.tensor(spans_of))
        return BatchFeature(made)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the built parts."""
        return {key: value for key, value in super().to_dict().items() if key != "_parts"}


class OssicleProcessor(ProcessorMixin):
    """Chat messages and samples → model inputs, on the transformers 5 contract for audio models."""

    def __init__(
        self,
        feature_extractor: OssicleFeatureExtractor | None = None,
        tokenizer: Any = None,
        chat_template: str | None = None,
        audio_token: str = "<|audio|>",
        **kwargs: Any,
    ) -> None:
        self.audio_token = audio_token
        self.audio_token_id = tokenizer.convert_tokens_to_ids(audio_token)
        super().__init__(feature_extractor, tokenizer, chat_template=chat_template or tokenizer.chat_template)

    def replace_audio_token(self, audio_inputs: Any, audio_idx: int, **kwargs: Any) -> str:
        """As many audio tokens as recording ``audio_idx`` gives."""
        return self.audio_token * audio_inputs["num_audio_tokens"][audio_idx]

    def __call__(self, *args: Any, **kwargs: Any) -> BatchFeature:
        """As in transformers; the count of tokens stays behind."""
        features = super().__call__(*args, **kwargs)
        widths = features.pop("num_audio_tokens", None)
        if "audio_recordings" in features and "input_ids" in features:
            features["audio_runs"] = self._runs(features, widths)
        return features

    def _runs(self, features: BatchFeature, widths: Any) -> torch.Tensor:
        """How many windows each row hears [N], as the audio ids of a row stand for the recordings that come next."""
        widths_R = torch.as_tensor(widths)
        windows_R = torch.as_tensor(features["audio_recordings"]).bincount(minlength=len(widths_R))
        ids = features["input_ids"]
        counts_N = torch.stack([(torch.as_tensor(row) == self.audio_token_id).sum() for row in ids])
        is_heard_NR = widths_R.cumsum(0) <= counts_N.cumsum(0)[:, None]
        heard_N = (is_heard_NR * windows_R).sum(1)
        return heard_N.diff(prepend=heard_N.new_zeros(1))


AutoFeatureExtractor.register(OssicleConfig, OssicleFeatureExtractor)
AutoProcessor.register(OssicleConfig, OssicleProcessor)
