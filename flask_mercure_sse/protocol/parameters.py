"""The selectors among the parameters of a subscribe request: how many, how long, and clean."""

from __future__ import annotations

from collections.abc import Iterable

from .errors import InvalidRequest, TooManySelectors
from .forms import Fields
from .limits import MAX_SELECTOR_LENGTH
from .selectors import Selector
from .text import size_problem, text_problem


def distinct_texts(parameters: Fields, name: str, limit: int) -> Fields:
    """Return each distinct parameter once, in the order given.

    :param parameters: those that hold selectors.
    :param name: what they are called, for the refusal.
    :param limit: how many a subscriber may have.
    :raises InvalidRequest: there is none, or one is too long or not clean text.
    :raises TooManySelectors: there are more than the limit.
    """
    texts = list(dict.fromkeys(parameters))
    if not texts:
        raise InvalidRequest(f'the parameter "{name}" is missing')
    if len(texts) > limit:
        raise TooManySelectors(f'more than {limit} parameters "{name}"')
    for parameter, text in texts:
        if len(text) > MAX_SELECTOR_LENGTH or (problem := text_problem(text)) is None:
            problem = size_problem(text, MAX_SELECTOR_LENGTH)
        if problem:
            raise InvalidRequest(f'a parameter "{parameter}" {problem}')
    return texts


def distinct(selectors: Iterable[Selector]) -> tuple[Selector, ...]:
    """Return each selector once: each is one subscription (`Mercure 1.0, Subscription`)."""
    return tuple({selector.key: selector for selector in selectors}.values())
