"""What a bundle gives away of the names its run has read: a filter, and its n-gram's tables."""

from collections.abc import Callable

from charmodels.corpus.splitting import Split
from charmodels.evaluation.balance import measure_given_away
from charmodels.evaluation.measure import records_read
from charmodels.runtime.errors import CharModelError
from charmodels.runtime.membership import Membership
from charmodels.runtime.model import Model
from charmodels.training.checkpoint import RunFacts
from charmodels.training.train import reopen_corpus


def learned(
    facts: RunFacts, trained: Model, report: Callable[[str], None], split: Split | None = None
) -> Membership | None:
    """The filter, and a line on what it tells; None and the reason where there can be none.

    Without its `split` the run's corpus is read again.
    """
    if facts.kind == "text":
        return None
    try:
        read = records_read(trained, split or reopen_corpus(facts)[1])
        known = Membership.of(read, facts.vocabulary)
    except CharModelError as error:  # its corpus is gone, or changed, or too long
        report(f"no membership filter: {error}")
        return None
    report(
        f"membership filter of {known.entries:,} names, a new one taken for one of them in "
        f"{1 / known.false_positive_rate:,.0f}: whoever has the bundle can test any name they "
        "think of; leave it out with --no-membership"
    )
    return known


def given_away(facts: RunFacts, trained: Model, split: Split | None = None) -> dict[str, float]:
    """Shares of names that the n-gram's tables spell out; nothing where the corpus is gone."""
    try:
        return measure_given_away(trained, split or reopen_corpus(facts)[1])
    except CharModelError:
        return {}
