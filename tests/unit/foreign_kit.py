"""Audio language models of transformers that are not taken apart, tiny and of random weights, in their true layout."""

from unittest.mock import patch

import torch
import transformers
from transformers import PreTrainedTokenizerFast, ProcessorMixin, WhisperFeatureExtractor

from random_bundle import random_bundle

TEXT = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "head_dim": 16}
HEARD = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
WHISPER = {"d_model": 32, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 64, "num_mel_bins": 16}
NAMED = {
    "audio_token": "<|AUDIO|>",
    "audio_bos_token": "<|audio_bos|>",
    "audio_eos_token": "<|audio_eos|>",
    "image_token": "<|IMAGE|>",
    "video_token": "<|VIDEO|>",
    "vision_bos_token": "<|vision_bos|>",
    "vision_eos_token": "<|vision_eos|>",
}
CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['content'] is string %}{{ m['content'] }}{% else %}"
    "{% for c in m['content'] %}{% if c['type'] == 'audio' %}AUDIO_HERE{% else %}{{ c['text'] }}{% endif %}{% endfor %}"
    "{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tokenizer_and_size():
    """Of the other tests' words, with the control tokens that these families name."""
    tokenizer = random_bundle().tokenizer
    tokenizer.add_special_tokens(
        {"additional_special_tokens": [*NAMED.values(), "<|im_start|>", "<|im_end|>"], "eos_token": "<|im_end|>"}
    )
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer,
        eos_token="<|im_end|>",
        pad_token=tokenizer.pad_token,
        model_specific_special_tokens=NAMED,
        additional_special_tokens=["<|im_start|>"],
    )
    return made, len(made)


def _musicflamingo(size, of):
    config = transformers.MusicFlamingoConfig(
        audio_config={"model_type": "audioflamingo3_encoder", "num_mel_bins": 16, **HEARD},
        text_config={"model_type": "qwen2", "vocab_size": size, "num_key_value_heads": 1, **TEXT},
        audio_token_id=of("<|AUDIO|>"),
        audio_bos_token_id=of("<|audio_bos|>"),
        audio_eos_token_id=of("<|audio_eos|>"),
        rope_parameters={"rope_type": "default", "rope_theta": 1200.0},
    )
    marks = {"audio_bos_token": "<|audio_bos|>", "audio_eos_token": "<|audio_eos|>"}
    extractor = WhisperFeatureExtractor(16)
    return config, transformers.MusicFlamingoProcessor, extractor, {"audio_token": "<|AUDIO|>", **marks}


def _glmasr(size, of):
    config = transformers.GlmAsrConfig(
        audio_config={"model_type": "glmasr_encoder", "num_mel_bins": 16, **HEARD, "intermediate_size": 128},
        text_config={"model_type": "llama", "vocab_size": size, "num_key_value_heads": 1, "eos_token_id": None, **TEXT},
        audio_token_id=of("<|AUDIO|>"),
    )
    return config, transformers.GlmAsrProcessor, WhisperFeatureExtractor(16), {"audio_token": "<|AUDIO|>"}


def _qwen3_asr(size, of):
    config = transformers.Qwen3ASRConfig(
        audio_config={"model_type": "qwen3_asr_encoder", **WHISPER, "output_dim": 32, "downsample_hidden_size": 8},
        text_config={"model_type": "qwen3", "vocab_size": size, "num_key_value_heads": 1, **TEXT},
        audio_token_id=of("<|AUDIO|>"),
        pad_token_id=of("<|pad|>"),
        eos_token_id=of("<|im_end|>"),
    )
    return config, transformers.Qwen3ASRProcessor, transformers.Qwen3ASRFeatureExtractor(feature_size=16), {}


def _moss(size, of):
    config = transformers.MossTranscribeDiarizeConfig(
        audio_config={"num_mel_bins": 16, **HEARD},
        text_config={"model_type": "qwen3", "vocab_size": size, "num_key_value_heads": 1, **TEXT},
        audio_token_id=of("<|AUDIO|>"),
    )
    named = {name: NAMED[name] for name in ("audio_token", "audio_bos_token", "audio_eos_token")}
    extractor = transformers.MossTranscribeDiarizeFeatureExtractor(feature_size=16)
    return config, transformers.MossTranscribeDiarizeProcessor, extractor, named


def _vibevoice(size, of):
    codec = {
        "model_type": "vibevoice_acoustic_tokenizer_encoder",
        "num_filters": 2,
        "downsampling_ratios": [4, 8, 100],
        "depths": [1, 1, 1, 1],
    }
    config = transformers.VibeVoiceAsrConfig(
        acoustic_tokenizer_encoder_config={**codec, "hidden_size": 8},
        semantic_tokenizer_encoder_config={**codec, "hidden_size": 8},
        text_config={"model_type": "qwen2", "vocab_size": size, "num_key_value_heads": 1, **TEXT},
        audio_token_id=of("<|AUDIO|>"),
        audio_bos_token_id=of("<|audio_bos|>"),
        audio_eos_token_id=of("<|audio_eos|>"),
    )
    named = {name: NAMED[name] for name in ("audio_token", "audio_bos_token", "audio_eos_token")}
    extractor = transformers.VibeVoiceAcousticTokenizerFeatureExtractor()
    return config, transformers.VibeVoiceAsrProcessor, extractor, named


FAMILIES = {
    "musicflamingo": (_musicflamingo, "MusicFlamingoForConditionalGeneration", "<|AUDIO|>"),
    "glmasr": (_glmasr, "GlmAsrForConditionalGeneration", "<|AUDIO|>"),
    "qwen3_asr": (_qwen3_asr, "Qwen3ASRForConditionalGeneration", "<|audio_bos|><|AUDIO|><|audio_eos|>"),
    "moss_transcribe_diarize": (
        _moss,
        "MossTranscribeDiarizeForConditionalGeneration",
        "<|audio_bos|><|AUDIO|><|audio_eos|>",
    ),
    "vibevoice_asr": (_vibevoice, "VibeVoiceAsrForConditionalGeneration", "<|audio_bos|><|AUDIO|><|audio_eos|>"),
}
"""By model type: what makes configuration and processor, the class, and what stands for a recording in a prompt."""


def publish(kind, folder):
    """A model as its makers publish it; transformers' model."""
    torch.manual_seed(3)
    make, cls, here = FAMILIES[kind]
    tokenizer, size = tokenizer_and_size()
    config, processor_class, extractor, options = make(size, tokenizer.convert_tokens_to_ids)
    model = getattr(transformers, cls)(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.eval().save_pretrained(folder)
    template = CHAT.replace("AUDIO_HERE", here)
    processor = processor_class(feature_extractor=extractor, tokenizer=tokenizer, chat_template=template, **options)
    processor.save_pretrained(folder)
    return model


def omni(folder):
    """A Qwen2.5-Omni model without a voice, and without the processor, which needs torchvision."""
    torch.manual_seed(3)
    tokenizer, size = tokenizer_and_size()
    of = tokenizer.convert_tokens_to_ids
    eyes = {"depth": 1, "hidden_size": 32, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 32}
    rope = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [2, 3, 3]}
    thinker = {
        "audio_config": {**WHISPER, "output_dim": 32},
        "vision_config": eyes,
        "text_config": {"vocab_size": size, "num_key_value_heads": 1, "rope_parameters": rope, **TEXT},
        "audio_token_index": of("<|AUDIO|>"),
        "image_token_index": of("<|IMAGE|>"),
        "video_token_index": of("<|VIDEO|>"),
        "audio_start_token_id": of("<|audio_bos|>"),
        "audio_end_token_id": of("<|audio_eos|>"),
        "vision_start_token_id": of("<|vision_bos|>"),
        "vision_end_token_id": of("<|vision_eos|>"),
    }
    config = transformers.Qwen2_5OmniConfig(thinker_config=thinker, enable_audio_output=False)
    model = transformers.Qwen2_5OmniForConditionalGeneration(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    return model


def without_eyes():
    """The processor of such a model, whose features are made in windows of 4 s."""
    with patch.object(ProcessorMixin, "check_argument_for_proper_class", lambda *_: True):
        return transformers.Qwen2_5OmniProcessor(
            feature_extractor=WhisperFeatureExtractor(16, chunk_length=4),
            tokenizer=tokenizer_and_size()[0],
            chat_template=CHAT.replace("AUDIO_HERE", "<|audio_bos|><|AUDIO|><|audio_eos|>"),
        )
