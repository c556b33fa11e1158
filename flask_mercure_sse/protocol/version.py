"""What a version of the protocol is: one object with these methods, and nothing about versions elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Protocol

from .credentials import Credentials
from .errors import Refusal
from .forms import Fields
from .keys import Unverified
from .rights import Claims, Rights
from .selectors import Selector
from .subscriptions import Subscription, SubscriptionEvent, SubscriptionFilter
from .update import Update

HUB_PATH = "/.well-known/mercure"

METADATA_PATH = "/.well-known/oauth-protected-resource"
"""What stands before the path of a hub's description (`RFC 9728, Protected Resource Metadata Request`)."""


@dataclass(frozen=True, slots=True)
class SubscribeRequest:
    """What a client asks for when it opens a stream.

    :param version: the version of the protocol that it speaks.
    :param selectors: each distinct selector once, in the order given.
    :param last_event_id: the id after which to go on; ``earliest`` for all; None when it was not given.
    """

    version: ProtocolVersion
    selectors: tuple[Selector, ...]
    last_event_id: str | None = None


class ProtocolVersion(Protocol):
    """One version of the Mercure protocol, without any I/O.

    A text that an app calls a topic is a selector, too, where something is selected: ``*``, an exact topic,
    a URI template, or one of the texts of :mod:`~flask_mercure_sse.protocol.selectors` that say what they
    are. Each version writes it in its own way.
    """

    name: str
    last_event_id_header: str
    api_content_type: str
    token_type: str
    """The ``typ`` of its tokens."""
    match_types: AbstractSet[str]
    """How its selectors may be read; subscriptions with others it does not tell."""
    subscribe_methods: Sequence[str]
    reads_query_token: bool
    """Whether a URL may carry a token."""
    hub_path: str
    """The path of the hub's URL, from which the topics of subscription events follow."""
    leading_parts: int
    """How many parts of a subscription's URL stand before its selector."""

    # Subscribing

    def url_query(self, topics: Sequence[str], token: str | None = None) -> Fields:
        """Return the query of a URL that subscribes to what an app calls topics.

        :param token: a token to put into the URL, where the version reads it there.
        :raises ConfigurationError: the version cannot say one of the topics.
        """
        ...

    def is_spoken_in(self, parameters: Fields) -> bool:
        """Tell whether the parameters of a subscribe request are this version's."""
        ...

    def subscribe_request(self, parameters: Fields, last_event_id: str | None) -> SubscribeRequest:
        """Read a subscribe request.

        :param parameters: those of the query and then those of the body.
        :param last_event_id: the value of the ``Last-Event-ID`` header.
        :raises InvalidRequest: it asks for nothing, for too much, or for something that is not clean.
        """
        ...

    # Publishing

    def update(self, form: Fields) -> Update:
        """Read a publish request.

        :raises InvalidUpdate: a field breaks a rule.
        :raises Refusal: a topic may not be published, or there are too many.
        """
        ...

    def check(self, update: Update) -> None:
        """Check an update of the app's own for what this version refuses beyond what all do.

        :raises InvalidUpdate: a field breaks a rule.
        """
        ...

    # Authorization

    def cookie_name(self, *, secure: bool) -> str:
        """Return the name of the cookie with a browser's token.

        :param secure: whether the cookie goes over TLS only.
        """
        ...

    @property
    def cookie_names(self) -> Sequence[str]:
        """The names of all cookies in which a token is looked for."""
        ...

    def lifetime(self, wanted: float | None) -> float | None:
        """Return how long a token is good, in seconds; None for ever.

        :param wanted: as the app sets it, None where it does not.
        """
        ...

    def claims(
        self,
        *,
        now: float,
        publish: Sequence[str] = (),
        subscribe: Sequence[str] = (),
        payload: object = None,
        others: Mapping[str, Any] | None = None,
        lifetime: float | None = None,
    ) -> dict[str, Any]:
        """Return the claims of a token that grants what an app calls topics.

        :param now: the present, in seconds since the epoch.
        :param payload: what subscription events show of the subscriber.
        :param others: what else there is under the claim of Mercure 0.x.
        :param lifetime: seconds until it expires; None for the version's own.
        :raises ConfigurationError: the version cannot say one of them.
        """
        ...

    def credentials(
        self, authorization: str | None, query: Fields, cookies: Mapping[str, str]
    ) -> Credentials | None:
        """Return the token that a request presents, None when it presents none.

        :param authorization: the value of the ``Authorization`` header.
        :raises Refusal: the header is there and holds no bearer token.
        """
        ...

    def is_own(self, declared_type: object) -> bool:
        """Tell whether a token is one of this version, by its ``typ``."""
        ...

    def issuer(self, token: Unverified) -> str | None:
        """Return whose keys verify a token, None for those of the hub itself.

        :raises InvalidToken: it is not a token of this version.
        """
        ...

    def rights(self, claims: Claims, expires_at: float | None = None) -> Rights:
        """Return what verified claims grant.

        :raises InvalidToken: the claims do not have the form that the version asks for.
        """
        ...

    def foreign_origin(self) -> Refusal:
        """Return the refusal of a page that may not publish with its cookie."""
        ...

    def challenge(self, refusal: Refusal) -> str | None:
        """Return the value of ``WWW-Authenticate`` that goes with a refusal, None for no such header."""
        ...

    def metadata(self, *, subscriptions: bool) -> dict[str, Any] | None:
        """Return the document that describes the hub to those who make tokens, None where there is none.

        :param subscriptions: whether the hub tells who follows what.
        """
        ...

    # Subscription events and API

    def subscription_topic(self, topic: str | None, subscriber: str | None = None) -> str:
        """Return the topic of the events of subscriptions to what an app calls a topic.

        :param topic: None for a URI template for all of them.
        :param subscriber: of this one; without one it is a URI template for all of them.
        """
        ...

    def subscription_update(
        self, subscription: Subscription, *, active: bool, id: str | None = None
    ) -> Update:
        """Return the private update that tells that a subscription began or ended.

        :param id: its event id, made up by default.
        """
        ...

    def subscription_event(self, type: str | None, data: str) -> SubscriptionEvent | None:
        """Read an update that tells that a subscription began or ended, None where it is another.

        :param type: the name of the server-sent event, None for none.
        """
        ...

    def subscription_filter(self, parts: Sequence[str]) -> SubscriptionFilter:
        """Return what a URL of the subscription API names.

        :param parts: the parts of its path, still encoded.
        :raises NotFound: there is no such URL.
        """
        ...

    def subscriptions_url(self, wanted: SubscriptionFilter) -> str:
        """Return the path of a document of the subscription API."""
        ...

    def filter_for(self, topic: str | None, subscriber: str | None = None) -> SubscriptionFilter:
        """Return the filter for the subscriptions to what an app calls a topic, None for all of them."""
        ...

    def subscription_document(self, subscription: Subscription, last_event_id: str) -> dict[str, Any]:
        """Return the subscription API's document of one subscription."""
        ...

    def subscriptions_document(
        self, wanted: SubscriptionFilter, subscriptions: Iterable[Subscription], last_event_id: str
    ) -> dict[str, Any]:
        """Return the subscription API's document of many subscriptions."""
        ...

    def link_target(self, root: str) -> str:
        """Return the URL of the hub as the subscription API links to it.

        :param root: the path of the app that the hub lives in.
        """
        ...

    def link_attributes(self, last_event_id: str) -> Mapping[str, str]:
        """Return the attributes of the subscription API's link to the hub."""
        ...

    def listed(self, document: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the subscriptions of a document, each with the ``topic`` that it follows."""
        ...
