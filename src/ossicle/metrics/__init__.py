"""Pure functions from answers and truths to numbers with intervals; training rewards and evaluation share them."""

from ossicle.metrics.classification import YesNo, accuracy, agreement_by_luck, balanced_yes_no
from ossicle.metrics.events import (
    EventCounts,
    event_counts,
    event_f1,
    match_onsets,
    onset_error,
    spans_in,
    time_iou,
)
from ossicle.metrics.intervals import Interval, bootstrap, wilson
from ossicle.metrics.rewards import REWARDS, Truth, listening
from ossicle.metrics.text import (
    labels_named,
    names_only,
    normalise_answer,
    number_in,
    seconds_in,
    times_in,
    words_present,
    yes_or_no,
)
from ossicle.metrics.words import edit_distance, wer

__all__ = [
    "REWARDS",
    "EventCounts",
    "Interval",
    "Truth",
    "YesNo",
    "accuracy",
    "agreement_by_luck",
    "balanced_yes_no",
    "bootstrap",
    "edit_distance",
    "event_counts",
    "event_f1",
    "labels_named",
    "listening",
    "match_onsets",
    "names_only",
    "normalise_answer",
    "number_in",
    "onset_error",
    "seconds_in",
    "spans_in",
    "time_iou",
    "times_in",
    "wer",
    "wilson",
    "words_present",
    "yes_or_no",
]
