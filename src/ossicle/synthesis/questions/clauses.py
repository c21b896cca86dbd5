"""Wordings with a verb of the sound's own: "How often does the dog bark?"."""

# ruff: noqa: E501 - one template, one line

from ossicle.synthesis.questions.phrasing import phrases

PRESENCE_CLAUSE = phrases(
    """
    ({do}|did) {s} {base} [<in>]
    ({be}|{was}) {s} {ing} [<in>]
    (can|do|did|could) you hear {s} {ing} [<in>]
    is there {s} {ing} [<in>]
    <tell> (if|whether) {s} {verb} [<in>]
    <tell> (if|whether) you hear {s} {ing} [<in>]
    {s} {ing} (yes or no|or not|[<in>])
    is {s} heard {ing} [<in>]
    ({do}|did) {s} {base} at (any point|some point|all) [<in>]
""",
    """
    Would you say that {s} {verb} somewhere in there?
    Have you noticed {s} {ing}?
    I believe {s} {past}. Did that happen?
""",
)
COUNT_CLAUSE = phrases(
    """
    how (many times|often) ({do}|did) {s} {base} [<in>]
    how (many times|often) ({be}|{was}) {s} {ing} [<in>]
    how (many times|often) (do|can) you hear {s} {ing} [<in>]
    <tell> how (many times|often) {s} {verb} [<in>]
    count how (many times|often) {s} {verb} [<in>]
    (number of times|how many times) {s} {verb} [<in>]
    {s} {verb} how (many times|often) [<in>]
""",
    """
    Keep count: {s} {verb} - how frequently?
    On how many occasions {do} {s} {base}?
    Once, twice, more? How many times {do} {s} {base} in it?
""",
)
ONSET_CLAUSE = phrases(
    """
    when ({do}|did) {s} (start|begin) (to {base}|{ing}) [<in>]
    (at what|at which) (time|second|moment|point) ({do}|did) {s} (start|begin) (to {base}|{ing}) [<in>]
    when ({do}|did) {s} first {base} [<in>]
    when can you first hear {s} {ing} [<in>]
    <tell> when {s} {start} (to {base}|{ing}) [<in>]
    after how many seconds ({do}|did) {s} (start|begin) (to {base}|{ing}) [<in>]
    {s} {start} (to {base}|{ing}) when
    since when {be} {s} {ing}
""",
    """
    From what moment {be} {s} {ing}?
    How far in is it when {s} {start} {ing}?
    Note the second at which {s} first {verb}.
""",
)
OFFSET_CLAUSE = phrases(
    """
    when ({do}|did) {s} (stop|finish|cease) {ing} [<in>]
    (at what|at which) (time|second|moment|point) ({do}|did) {s} (stop|finish) {ing} [<in>]
    until when ({do}|did) {s} {base} [<in>]
    until when {be} {s} {ing} [<in>]
    after how many seconds ({do}|did) {s} (stop|finish) {ing} [<in>]
    when {be} {s} done {ing} [<in>]
    when can you last hear {s} {ing} [<in>]
""",
    """
    From which second on {be} {s} not {ing} any more?
    Till what moment {do} {s} keep {ing}?
    When {be} {s} through with {ing}?
""",
)
SPAN_CLAUSE = phrases(
    """
    when ({do}|did) {s} {base} [<in>]
    when ({be}|{was}) {s} {ing} [<in>]
    when (can|do) you hear {s} {ing} [<in>]
    from when to when ({do} {s} {base}|{be} {s} {ing}) [<in>]
    <tell> when {s} {verb} [<in>]
    at what times ({do} {s} {base}|{be} {s} {ing}) [<in>]
    when ({do}|did) {s} start and stop {ing} [<in>]
""",
    """
    In which seconds might I find {s} {ing}?
    Mark out the stretch during which {s} {verb}.
    What are the edges of the part where {s} {verb}?
""",
)
DURATION_CLAUSE = phrases(
    """
    how long ({do}|did) {s} {base} [<in>]
    for how long ({do} {s} {base}|{be} {s} {ing}) [<in>]
    how many seconds ({do}|did) {s} {base} [<in>]
    how long (can|do) you hear {s} {ing} [<in>]
    <tell> how long {s} {verb} [<in>]
    how long {be} {s} {ing} [<in>]
""",
    """
    For what length of time {do} {s} {base}?
    {s} {verb} over a span of how many seconds?
    How much time goes by while {s} {verb}?
""",
)
BEFORE_CLAUSE = phrases(
    """
    what (happens|is heard|comes|do you hear|occurs) [just|right] before {s} ({verb}|{past}) [<in>]
    (which|what) (sound|noise|event) (is heard|comes|do you hear|happens|occurs) [just|right] before {s} ({verb}|{past}) [<in>]
    [just|right] before {s} ({verb}|{past}) , (what|which sound) (is heard|happens|do you hear) [<in>]
    <tell> what (happens|is heard) before {s} {verb} [<in>]
    what happened before {s} {past}
    before {s} {start} {ing} , (what|which sound) (is heard|do you hear)
""",
    """
    What had been heard by the time {s} {past}?
    Which noise leads up to the moment when {s} {verb}?
    What sounds prior to the point where {s} {verb}?
""",
)
AFTER_CLAUSE = phrases(
    """
    what (happens|is heard|comes|do you hear|occurs) [just|right] after {s} ({verb}|{past}) [<in>]
    (which|what) (sound|noise|event) (is heard|comes|do you hear|happens|occurs) [just|right] after {s} ({verb}|{past}) [<in>]
    [just|right] after {s} ({verb}|{past}) , (what|which sound) (is heard|happens|do you hear) [<in>]
    <tell> what (happens|is heard) after {s} {verb} [<in>]
    what happened after {s} {past}
    (once|when) {s} has started {ing} , what (comes next|follows|happens next)
""",
    """
    What do we get to hear once {s} {past}?
    Which noise ensues when {s} {verb}?
    What sounds subsequent to the point where {s} {verb}?
""",
)
