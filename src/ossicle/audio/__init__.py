"""Sound as a lazy value: ``Audio`` points at a recording; nothing is decoded until it is loaded."""

from ossicle.audio.audio import Audio
from ossicle.audio.mel import log_mel, mel_centres_hz, mel_frame_times, num_mel_frames
from ossicle.audio.resample import num_resampled
from ossicle.support.errors import AudioError

__all__ = ["Audio", "AudioError", "log_mel", "mel_centres_hz", "mel_frame_times", "num_mel_frames", "num_resampled"]
