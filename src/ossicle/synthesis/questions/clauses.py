"""Wordings with a verb of the sound's own: "How often does the dog bark?"."""

from ossicle.synthesis.questions.phrasing import wordings

PRESENCE_CLAUSE = wordings("presence_clause")
COUNT_CLAUSE = wordings("count_clause")
ONSET_CLAUSE = wordings("onset_clause")
OFFSET_CLAUSE = wordings("offset_clause")
SPAN_CLAUSE = wordings("span_clause")
DURATION_CLAUSE = wordings("duration_clause")
BEFORE_CLAUSE = wordings("before_clause")
AFTER_CLAUSE = wordings("after_clause")
