"""Which rows are held out while choosing, the same on every machine."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence


def fold_of_rows(rows: Sequence[tuple[str, str, str]], num_folds: int) -> list[int]:
    """A fold 0 … ``num_folds``-1 for every ``(file, label, group)``, the same on every machine.

    Where a set has more groups than labels, its groups are what must not straddle folds: they are taken from the
    largest to the smallest (equals by their SHA-256), and each goes to the fold that has least of their labels.
    Else the groups say nothing (one per label) or are a few speakers of everything; then each label's files, sorted,
    are cut into ``num_folds`` stretches, because neighbours by number are often cuts of one recording.
    """
    folds = [0] * len(rows)
    if len({group for _, _, group in rows}) > len({label for _, label, _ in rows}):
        members: dict[str, list[int]] = defaultdict(list)
        for at, (_, _, group) in enumerate(rows):
            members[group].append(at)
        total = Counter(label for _, label, _ in rows)
        held: list[Counter[str]] = [Counter() for _ in range(num_folds)]
        for group in sorted(members, key=lambda name: (-len(members[name]), hashlib.sha256(name.encode()).hexdigest())):
            labels = Counter(rows[at][1] for at in members[group])
            crowd = [
                (sum(count * fold[label] / total[label] for label, count in labels.items()), sum(fold.values()))
                for fold in held
            ]
            fold = crowd.index(min(crowd))
            held[fold].update(labels)
            for at in members[group]:
                folds[at] = fold
        return folds
    by_label: dict[str, list[int]] = defaultdict(list)
    for at in sorted(range(len(rows)), key=lambda at: rows[at][0]):
        by_label[rows[at][1]].append(at)
    for ats in by_label.values():
        for rank, at in enumerate(ats):
            folds[at] = rank * num_folds // len(ats)
    return folds
