"""Who may ever be told of subscriptions: nearly nobody, so that their events cost nearly nothing."""

from __future__ import annotations

from collections.abc import Iterable

from ..protocol.selectors import Selector
from ..protocol.subscriptions import ALL
from ..protocol.version import ProtocolVersion


def may_watch(version: ProtocolVersion, selectors: Iterable[Selector], grants: Iterable[Selector]) -> bool:
    """Tell whether an event of any subscription can be selected and, as it is private, granted.

    To be possible is not to happen: it is the selectors that have the last word.

    :param version: in which the events are told.
    """
    url = version.subscriptions_url(ALL)
    return any(_reaches(grant, url) for grant in grants) and any(_reaches(one, url) for one in selectors)


def _reaches(selector: Selector, url: str) -> bool:
    """Tell whether a selector can match a topic below a URL."""
    if selector.selects_everything or selector.text.startswith(url):
        return True
    pattern = selector.pattern
    return pattern is not None and pattern.outline.fits_below(pattern.parts_of(url))
