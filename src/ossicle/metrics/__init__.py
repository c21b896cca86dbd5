"""Pure functions from answers and truths to numbers with intervals; training rewards and evaluation share them."""

from ossicle.metrics.classification import YesNo, accuracy, agreement_by_luck, balanced_yes_no
from ossicle.metrics.events import EventCounts, event_counts, event_f1, match_onsets, onset_error
from ossicle.metrics.intervals import Interval, bootstrap, wilson
from ossicle.metrics.text import (
    labels_named,
    names_only,
    normalise_answer,
    number_in,
    seconds_in,
    words_present,
    yes_or_no,
)

__all__ = [
    "EventCounts",
    "Interval",
    "YesNo",
    "accuracy",
    "agreement_by_luck",
    "balanced_yes_no",
    "bootstrap",
    "event_counts",
    "event_f1",
    "labels_named",
    "match_onsets",
    "names_only",
    "normalise_answer",
    "number_in",
    "onset_error",
    "seconds_in",
    "wilson",
    "words_present",
    "yes_or_no",
]
