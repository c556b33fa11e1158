"""What a version of the protocol is: one object with these methods, and nothing about versions elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .forms import Fields
from .selectors import Selector
from .subscriptions import Subscription
from .tokens import Claims, Rights
from .update import Update

HUB_PATH = "/.well-known/mercure"


@dataclass(frozen=True, slots=True)
class SubscribeRequest:
    """What a client asks for when it opens a stream.

    :param selectors: each distinct selector once, in the order given.
    :param last_event_id: the id after which to go on; ``earliest`` for all; None when it was not given.
    """

    selectors: tuple[Selector, ...]
    last_event_id: str | None = None


class ProtocolVersion(Protocol):
    """One version of the Mercure protocol, without any I/O."""

    name: str
    cookie_name: str
    last_event_id_header: str
    api_content_type: str

    def selector(self, text: str) -> Selector:
        """Compile a selector."""
        ...

    def url_query(self, topics: Sequence[str], token: str | None = None) -> Fields:
        """Return the query of a URL that subscribes to `topics`."""
        ...

    def claims(
        self, *, publish: Sequence[str] = (), subscribe: Sequence[str] = (), payload: object = None
    ) -> dict[str, Any]:
        """Return the claims of a token that grants these selectors."""
        ...

    def rights(self, claims: Claims, expires_at: float | None = None) -> Rights:
        """Return what verified claims grant.

        :raises Unauthorized: the claims do not have the form that the version asks for.
        """
        ...

    def token(
        self, authorization: str | None, query: Fields, cookies: Mapping[str, str], cookie_name: str | None
    ) -> str | None:
        """Return the token that a request presents, None when it presents none.

        :param authorization: the value of the ``Authorization`` header.
        :param cookie_name: the cookie to look in, None where cookies do not count.
        :raises Unauthorized: the header is there and holds no bearer token.
        """
        ...

    def subscribe_request(self, query: Fields, last_event_id: str | None) -> SubscribeRequest:
        """Read a subscribe request.

        :param last_event_id: the value of the ``Last-Event-ID`` header.
        :raises InvalidRequest: it asks for nothing, or for something that is not clean.
        """
        ...

    def update(self, form: Fields) -> Update:
        """Read a publish request.

        :raises InvalidUpdate: a field breaks a rule.
        :raises Refusal: a topic may not be published.
        """
        ...

    def publish_form(self, update: Update) -> Fields:
        """Return the form that publishes an update on any hub."""
        ...

    def subscription_topic(self, selector: str, subscriber: str | None = None) -> str:
        """Return the topic of a subscription's events; of every subscriber's where none is given."""
        ...

    def subscription_update(self, subscription: Subscription, *, active: bool) -> Update:
        """Return the private update that tells that a subscription began or ended."""
        ...

    def subscriptions_url(self, selector: str | None = None, subscriber: str | None = None) -> str:
        """Return the path of the subscription API for all, one selector's or one subscription."""
        ...

    def subscription_document(self, subscription: Subscription, last_event_id: str) -> dict[str, Any]:
        """Return the subscription API's document of one subscription."""
        ...

    def subscriptions_document(
        self, selector: str | None, subscriptions: Iterable[Subscription], last_event_id: str
    ) -> dict[str, Any]:
        """Return the subscription API's document of many subscriptions."""
        ...
