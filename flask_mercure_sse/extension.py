"""The Flask extension: publishing from anywhere in an app, and what templates and browsers need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeVar, cast
from weakref import WeakKeyDictionary

from flask import Flask, current_app, has_app_context
from werkzeug.wrappers import Response

from . import cookie_renewal, cookies
from .app_keys import ROLES, Role
from .app_state import AppState, build_state
from .cli import mercure_commands
from .config import MAKE_A_KEY, MercureConfig
from .describing import composed, described
from .embedded import embed
from .events import Events
from .external_hubs import short_keys
from .integrations.content import topic_of, topics_of
from .integrations.outlets import ServedByAnother
from .integrations.tracking import deferral
from .listening import Listening
from .protocol.errors import ConfigurationError, NotFound, SubscriptionsError
from .protocol.keys import KEY_LENGTH
from .protocol.selectors import EVERYTHING
from .protocol.text import text_problem
from .protocol.update import Update
from .protocol.v1 import EVENT_TYPE
from .request_scope import tell_transaction
from .server.links import link
from .transaction import held_back, transaction
from .urls import subscribe_url

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

    from .testing import CapturedUpdates

EXTENSION = "mercure_sse"

ResponseT = TypeVar("ResponseT", bound=Response)
PayloadGetter = Callable[[list[str]], Any]
RenewerT = TypeVar("RenewerT", bound=cookie_renewal.Renewer)
PayloadGetterT = TypeVar("PayloadGetterT", bound=PayloadGetter)


class MercureSSE(Events, Listening):
    """Server push for a Flask app.

    Give it the app, or call :meth:`init_app` for one app or several. Each option is the default of the
    config key of the same name: where the app sets ``MERCURE_HUB_URL``, that wins over `hub_url`.

    :param app: the app.
    :param hub_url: URL of an external hub; True to take the host from the request; without one the hub is
        embedded in the app.
    :param public_hub_url: the hub's URL for browsers, where it is another.
    :param publisher_jwt: token to publish on an external hub; made from the publisher secret by default.
    :param subscriber_secret_key: secret of subscribers' tokens, the app's SECRET_KEY by default.
    :param publisher_secret_key: secret of publishers' tokens, the app's SECRET_KEY by default.
    :param hub_allow_publish: whether the embedded hub takes updates over HTTP.
    :param hub_allow_anonymous: whether the embedded hub shows public updates to those without a token.
    :param hub_subscriptions: whether the embedded hub tells who follows what.
    :param hub_keepalive_interval: seconds between comments on an idle stream, 0 for none.
    :param hub_reconciliation_length: number of updates that the embedded hub keeps.
    :param authz_cookie_name: name of the cookie with a browser's token, by default the one of the
        protocol's version (``mercureAuthorization`` in 0.x).
    :param type_is_topic: whether an update without a type is named after its topic.
    :param hub: whether to embed the hub; by default only where there is no hub url.
    :raises ConfigurationError: a setting is wrong; the text names its key and the fix.
    """

    def __init__(
        self,
        app: Flask | None = None,
        hub_url: str | bool | None = None,
        public_hub_url: str | bool | None = None,
        publisher_jwt: str | None = None,
        subscriber_secret_key: str | bytes | None = None,
        publisher_secret_key: str | bytes | None = None,
        hub_allow_publish: bool = False,
        hub_allow_anonymous: bool = True,
        hub_subscriptions: bool = True,
        hub_keepalive_interval: float = 15,
        hub_reconciliation_length: int = 500,
        authz_cookie_name: str | None = None,
        type_is_topic: bool = False,
        hub: bool | None = None,
    ) -> None:
        super().__init__()
        self._options = _given(locals())
        self._states: WeakKeyDictionary[Flask, AppState] = WeakKeyDictionary()
        self._payload_getter: PayloadGetter | None = None
        self._cookie_renewer: cookie_renewal.Renewer | None = None
        if app is not None:
            self.init_app(app)

    def init_app(
        self,
        app: Flask,
        hub_url: str | bool | None = None,
        public_hub_url: str | bool | None = None,
        publisher_jwt: str | None = None,
        subscriber_secret_key: str | bytes | None = None,
        publisher_secret_key: str | bytes | None = None,
        hub_allow_publish: bool | None = None,
        hub_allow_anonymous: bool | None = None,
        hub_subscriptions: bool | None = None,
        hub_keepalive_interval: float | None = None,
        hub_reconciliation_length: int | None = None,
        authz_cookie_name: str | None = None,
        type_is_topic: bool | None = None,
        hub: bool | None = None,
    ) -> None:
        """Register the extension with an app. It starts nothing: no thread, no socket.

        Options as for the class; one that is None is as it was given there.

        :raises ConfigurationError: a setting is wrong, or the app has the extension already.
        """
        if EXTENSION in app.extensions:
            raise ConfigurationError("MercureSSE is registered with this app already; call init_app once")
        options = {**self._options, **_given(locals())}
        state = build_state(app, self, MercureConfig.from_mapping(app.config, options))
        for setting in (*state.keys.short(), *short_keys(state.config.hubs)):
            app.logger.warning(
                "%s has fewer than the %d bytes that HS256 tokens need to be safe; make one with: %s",
                setting,
                KEY_LENGTH,
                MAKE_A_KEY,
            )
        if state.hub is not None:
            embed(app, state.hub_front(), state.config.hub_max_streams)
        tell_transaction(app)
        self._listen_with_requests(app)
        if state.config.cookie_renew:
            cookie_renewal.renew_cookies(app, state)
        app.cli.add_command(mercure_commands)
        for name, function in self._template_globals().items():
            app.add_template_global(function, name)
        app.extensions[EXTENSION] = state
        self._states[app] = state

    # Publishing

    def publish(
        self,
        topic: Any,
        data: Any = None,
        private: bool = False,
        id: str | None = None,
        type: str | bool | None = None,
        retry: int | None = None,
        jwt: str | None = None,
        hub_url: str | None = None,
        *,
        on_commit: Any = None,
        hub: str | None = None,
        wait: bool = False,
    ) -> str:
        """Publish an update and return its id.

        The embedded hub has it then. For an external hub it is accepted, and sent in the background; what
        became of it is told by the signals ``update_published`` and ``publish_failed``. With
        ``MERCURE_PUBLISH`` set to ``sync`` the hub has it.

        :param topic: a topic, several (the first is the canonical one, the others are alternates), or an
            object, which is topic and data: it has the attribute ``__mercure_sse_topic__``, else its topic
            is its class's name.
        :param data: a text, bytes of UTF-8, an object with ``__mercure_sse_data__()``, or anything JSON can
            encode. Without it the topic is the data, too.
        :param private: only subscribers whose token grants one of the topics get it.
        :param id: the event id, made up by default.
        :param type: the name of the browser's event, ``message`` by default; True for the topic.
        :param retry: the reconnection time for browsers, in milliseconds.
        :param jwt: publisher token for this update, on an external hub.
        :param hub_url: another hub for this update.
        :param on_commit: a session; inside of its transaction the update waits for the commit, as for
            :meth:`publish_signal`.
        :param hub: another hub for this update, by its name in ``MERCURE_HUBS``.
        :param wait: whether to wait for an external hub in any case. Such an update may overtake those that
            are sent in the background.
        :raises InvalidUpdate: an argument breaks a rule; the text names it.
        :raises PublishError: the external hub did not take the update while it was waited for.
        :raises QueueFull: too many updates wait for the external hub.
        """
        state = self._state()
        update = composed(state, topic, data, private, id, type, retry)
        outlet = state.outlet(hub, hub_url, jwt, wait=wait)
        outlet.check(update)
        if on_commit is not None and deferral(on_commit)((None, None, outlet, update)):
            return update.id
        return update.id if held_back(outlet, [update]) else outlet.publish(update)

    def publish_many(
        self,
        updates: Iterable[Update | Mapping[str, Any]],
        *,
        jwt: str | None = None,
        hub_url: str | None = None,
        hub: str | None = None,
        wait: bool = False,
    ) -> list[str]:
        """Publish several updates in their order and return their ids.

        In the background and on the embedded hub it is all of them or none; while an external hub is waited
        for, those before the one that it does not take are published.

        :param updates: each an :class:`Update`, or a dictionary of what describes one in :meth:`publish`.
        :raises InvalidUpdate: one breaks a rule or is described in another way; none is published.

        Other arguments and errors as for :meth:`publish`.
        """
        state = self._state()
        found = [described(state, one) for one in updates]
        outlet = state.outlet(hub, hub_url, jwt, wait=wait)
        for update in found:
            outlet.check(update)
        if held_back(outlet, found):
            return [update.id for update in found]
        return outlet.publish_many(found)

    def transaction(self) -> AbstractContextManager[None]:
        """Hold back what is published in a ``with`` block, and publish it at the end of the block.

        An exception that leaves the block drops it. That counts for :meth:`publish`, :meth:`publish_many`
        and bound signals, not for models: their transaction is the database's. A block in a block hands its
        updates over to the outer one. Other threads, greenlets and tasks are not concerned unless they run
        in a copy of the block's context.
        """
        return transaction()

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until no update waits for an external hub; False when some still do.

        :param timeout: seconds to wait at most, ``MERCURE_FLUSH_TIMEOUT`` by default.
        """
        state = self._state()
        return state.flush(state.config.flush_timeout if timeout is None else timeout)

    def captured(self) -> AbstractContextManager[CapturedUpdates]:
        """Capture what is published in a ``with`` block, in place of publishing it: for tests.

        It concerns all threads and all apps of this extension; see
        :func:`~flask_mercure_sse.testing.captured_updates`.
        """
        from .testing import captured_updates

        return captured_updates(self)

    def metrics_collector(self) -> Collector:
        """Return what Prometheus reads the figures of publishing from: register it with your registry.

        :raises ConfigurationError: the extra ``metrics`` is not installed.
        """
        try:
            from .publishers.metrics import publish_collector
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                "Figures for Prometheus need its client: pip install flask-mercure-sse[metrics]"
            ) from error
        return publish_collector(self._state().figures)

    # URLs, tokens and cookies

    def hub_base_url(self, public: bool = True, *, hub: str | None = None) -> str:
        """Return the hub's URL.

        :param public: as browsers reach it, else as the app does.
        :param hub: another hub, by its name in ``MERCURE_HUBS``.
        """
        return self._state().place(hub).hub_url(public=public)

    def hub_url(
        self,
        topics: Any = None,
        subscriber_jwt: str | None = None,
        with_subscriptions: bool = False,
        public: bool = True,
        *,
        hub: str | None = None,
    ) -> str:
        """Return a URL that subscribes to topics.

        :param topics: one topic, selector or object, or several.
        :param subscriber_jwt: a token to put into the URL. URLs end up in logs; prefer the cookie. Mercure
            1.0 reads no token there: it goes into the cookie of the response to the current request.
        :param with_subscriptions: whether to follow the subscription events of the topics, too.
        :param hub: another hub, by its name in ``MERCURE_HUBS``.
        """
        version = self._state().place(hub).tokens.version
        if subscriber_jwt and not version.reads_query_token:
            cookies.grant_with_response(self, hub, [], token=subscriber_jwt)
            subscriber_jwt = None
        query = version.url_query(self._followed(topics, with_subscriptions, hub), subscriber_jwt)
        return subscribe_url(self.hub_base_url(public, hub=hub), query)

    def authentified_hub_url(
        self,
        topics: Any = None,
        payload: Any = None,
        with_subscriptions: bool = False,
        *,
        hub: str | None = None,
    ) -> str:
        """Return a URL that subscribes to topics, with a fresh token for them.

        Where the version of the protocol reads no token from a URL, the token goes into the cookie of the
        response to the current request. Without topics the token is for all. Arguments as for
        :meth:`hub_url` and :meth:`create_subscription_jwt`.
        """
        followed = self._followed(topics, with_subscriptions, hub)
        granted = None if topics is None else followed
        if self._state().version.reads_query_token:
            token = self.create_subscription_jwt(granted, payload, hub=hub)
            return self.hub_url(followed, token, hub=hub)
        cookies.grant_with_response(self, hub, granted, payload)
        return self.hub_url(followed, hub=hub)

    def _followed(self, topics: Any, with_subscriptions: bool, hub: str | None) -> list[str]:
        selectors = _topics(topics)
        events = [self.subscription_topic(one, hub=hub) for one in selectors] if with_subscriptions else []
        return [*selectors, *events]

    def subscription_topic(self, topic: Any, subscriber: str | None = None, *, hub: str | None = None) -> str:
        """Return the topic of a subscription's events, of all subscribers' where none is given.

        :param hub: another hub, by its name in ``MERCURE_HUBS``.
        """
        version = self._state().place(hub).tokens.version
        return version.subscription_topic(topic_of(topic), subscriber)

    def create_subscription_jwt(
        self, topics: Any = None, payload: Any = None, *, hub: str | None = None
    ) -> str:
        """Return a subscriber's token.

        :param topics: one topic or several whose private updates it lets read; all where they are left out,
            none for an empty list. They are selectors: encode what a user may choose in them.
        :param payload: what subscription events show of the subscriber. The payload getter's result is the
            base, which a dictionary given here overlays.
        :param hub: another hub that is to take it, by its name in ``MERCURE_HUBS``.
        :raises MissingKeyError: there is no secret to make it with.
        """
        selectors = [EVERYTHING] if topics is None else _topics(topics)
        if self._payload_getter is not None:
            payload = cookies.overlay(self._payload_getter(selectors), payload)
        tokens = self._state().place(hub).tokens
        return tokens.make("subscriber_secret_key", subscribe=selectors, payload=payload)

    def create_jwt(self, key: Role, *, hub: str | None = None, **claims: Any) -> str:
        """Return a token with these grants.

        :param key: whose key signs it, ``"publisher_secret_key"`` or ``"subscriber_secret_key"``.
        :param claims: the lists of topics ``publish`` and ``subscribe``, and ``payload``; in Mercure 0.x
            what else there is goes under ``mercure``, too.
        :param hub: another hub that is to take it, by its name in ``MERCURE_HUBS``.
        :raises MissingKeyError: there is no such key.
        :raises ConfigurationError: the version of the protocol cannot say one of them.
        """
        if key not in ROLES:
            raise ConfigurationError(f"key: {key!r} is none; use {' or '.join(ROLES)}")
        lists = {name: _topics(claims.pop(name)) for name in ("publish", "subscribe") if name in claims}
        tokens = self._state().place(hub).tokens
        return tokens.make(key, **lists, payload=claims.pop("payload", None), others=claims)

    def set_authz_cookie(
        self,
        response: ResponseT,
        topics: Any = None,
        jwt: str | None = None,
        payload: Any = None,
        secure: bool | None = None,
        *,
        hub: str | None = None,
        **options: Any,
    ) -> ResponseT:
        """Give the browser its token in a cookie, and return the response.

        :param topics: as for :meth:`create_subscription_jwt`.
        :param jwt: a token to use instead of a fresh one.
        :param secure: whether the cookie is for https alone; by default so where the request or the hub is.
        :param hub: another hub that is to read it, by its name in ``MERCURE_HUBS``.
        :param options: further options of :meth:`werkzeug.wrappers.Response.set_cookie`.
        :raises ConfigurationError: the token does not fit into a cookie.
        """
        state = self._state()
        tokens = state.place(hub).tokens
        attributes = cookies.cookie_options(self.hub_base_url(hub=hub), secure, options)
        selectors = None if topics is None else _topics(topics)
        granted = cookies.granted_now(hub)
        if granted is not None and not tokens.version.reads_query_token:
            # One cookie: what URLs of the page were granted goes into it as well.
            granted.add([] if jwt else selectors, payload, jwt)
            granted.options = {"secure": secure, **options}
            selectors, payload = granted.topics, granted.payload
            cookies.forget(response, tokens.cookie_names, attributes["path"])
        token = jwt or self.create_subscription_jwt(selectors, payload, hub=hub)
        cookies.check_size(token)
        if jwt is None:  # of another token the end is not known
            attributes.setdefault("max_age", tokens.cookie_lifetime)
        name = tokens.version.cookie_name(secure=bool(attributes["secure"]))
        response.set_cookie(name, token, **cookies.as_named(name, attributes))
        if jwt is None and hub is None:
            cookie_renewal.mark(response, state, attributes)
        return response

    def delete_authz_cookie(
        self, response: ResponseT, *, hub: str | None = None, **options: Any
    ) -> ResponseT:
        """Take every token back that the browser may have for the hub, and return the response.

        :param hub: another hub, by its name in ``MERCURE_HUBS``.
        :param options: as they were for :meth:`set_authz_cookie`.
        """
        state = self._state()
        attributes = cookies.cookie_options(self.hub_base_url(hub=hub), None, options)
        for name in state.place(hub).tokens.cookie_names:
            response.delete_cookie(name, **cookies.as_named(name, attributes))
        if hub is None:
            cookie_renewal.unmark(response, state, attributes)
        return response

    def cookie_renewer(self, renewer: RenewerT) -> RenewerT:
        """Register the function that gives a browser its cookie again, before it ends.

        It runs in the request of a browser that has one, where ``MERCURE_COOKIE_RENEW`` is set, and calls
        :meth:`set_authz_cookie` for a user who may still read, else :meth:`delete_authz_cookie`.

        :param renewer: gets the response.
        """
        self._cookie_renewer = renewer
        return renewer

    def renew_authz_cookie(self, response: ResponseT) -> ResponseT:
        """Let the function of :meth:`cookie_renewer` set the cookie anew, and return the response.

        :raises ConfigurationError: there is no such function.
        """
        self.check_cookie_renewer()(response)
        return response

    def check_cookie_renewer(self) -> cookie_renewal.Renewer:
        """Return the function of :meth:`cookie_renewer`.

        :raises ConfigurationError: there is none.
        """
        if self._cookie_renewer is None:
            raise ConfigurationError(
                "MERCURE_COOKIE_RENEW is set, and nothing says how to renew; decorate a function that sets "
                "the cookie on a response with @mercure.cookie_renewer"
            )
        return self._cookie_renewer

    def close_streams(self, **payload: Any) -> int:
        """End the streams of the embedded hub's subscribers whose payload has all these items.

        Browsers come back by themselves: take their cookie away with :meth:`delete_authz_cookie`, and end the
        streams when that response is out, with its ``call_on_close``.

        :return: how many streams there were.
        :raises ConfigurationError: no item is given, or the hub is another program.
        """
        state = self._state()
        if not payload:
            raise ConfigurationError("close_streams: give what the payload of the subscribers has, as user=7")
        if state.hub is None:
            raise ConfigurationError("close_streams: only the embedded hub can; an external hub has no way")
        return state.streams.close(lambda own: _has(own, payload))

    def add_link(
        self,
        response: ResponseT,
        topic: Any = None,
        *,
        last_event_id: str | None = None,
        content_type: str | None = None,
        type: str | None = None,
        hub: str | None = None,
    ) -> ResponseT:
        """Tell clients where to follow a resource, in ``Link`` headers, and return the response.

        :param topic: the resource's canonical topic; without it clients take the URL that they asked for.
        :param last_event_id: the id of the last event before the resource was read, so that a client that
            subscribes after it misses nothing.
        :param content_type: the updates' content type, where it is not the resource's.
        :param type: the name of the updates' event, where they have one.
        :param hub: the hub that has them, by its name in ``MERCURE_HUBS``; the app's own by default.
        :raises ConfigurationError: an argument cannot stand in a header.

        Source: `Mercure, Discovery`.
        """
        own_topic = None if topic is None else topic_of(topic)
        attributes = {"last-event-id": last_event_id, "content-type": content_type, "type": type}
        given = {name: value for name, value in attributes.items() if value is not None}
        for name, value in {**given, "topic": own_topic or ""}.items():
            argument = name.replace("-", "_")
            if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise ConfigurationError(f"{argument}: {value!r} is not a text; give one")
            if problem := text_problem(value):
                raise ConfigurationError(f"{argument}: {value!r} {problem}")
        if type == EVENT_TYPE:
            raise ConfigurationError(f"type: {type!r} is the hub's own; give that of the updates")
        response.headers.add("Link", link(self.hub_base_url(hub=hub), {"rel": "mercure", **given}))
        if own_topic is not None:
            response.headers.add("Link", link(own_topic, {"rel": "self"}))
        return response

    def payload_getter(self, getter: PayloadGetterT) -> PayloadGetterT:
        """Register the function that says what subscription events show of a subscriber.

        :param getter: gets the list of topics and returns a dictionary.
        """
        self._payload_getter = getter
        return getter

    # Who is there

    def get_subscriptions(
        self, topic: Any = None, subscriber: str | None = None, *, hub: str | None = None
    ) -> dict[str, Any]:
        """Return the document of the hub's subscription API, as it is parsed.

        That of an external hub may be as old as ``MERCURE_SUBSCRIPTIONS_CACHE`` says.

        :param topic: only the subscriptions to this topic.
        :param subscriber: only the one of this subscriber; needs `topic`.
        :param hub: another hub that is asked, by its name in ``MERCURE_HUBS``.
        :raises SubscriptionsError: the hub does not tell.
        :raises ConfigurationError: a subscriber is given without a topic.
        """
        if subscriber is not None and topic is None:
            raise ConfigurationError("subscriber: give the topic of the subscription, too")
        state = self._state()
        place = state.place(hub)
        version = place.tokens.version
        wanted = version.filter_for(None if topic is None else topic_of(topic), subscriber)
        if hub is None and state.hub is not None:
            try:
                return state.hub.subscriptions(version, wanted)[0]
            except NotFound as error:
                fix = "" if state.config.hub_subscriptions else "; set MERCURE_HUB_SUBSCRIPTIONS to True"
                raise SubscriptionsError(version.subscriptions_url(wanted), 404, f"{error}{fix}") from error
        return state.read_subscriptions(place.hub_url(public=False), place.tokens, wanted)

    def subscriptions(self, topic: Any = None, *, hub: str | None = None) -> list[dict[str, Any]]:
        """Return the list of the active subscriptions, of one topic or of all.

        In each version of the protocol an entry has the ``topic`` that is followed.

        :param hub: another hub that is asked, by its name in ``MERCURE_HUBS``.
        """
        return self._state().version.listed(self.get_subscriptions(topic, hub=hub))

    def is_connected(self, topic: Any, *, hub: str | None = None, **payload: Any) -> bool:
        """Tell whether somebody follows a topic, by just this selector, whose payload has all these items.

        :param hub: another hub that is asked, by its name in ``MERCURE_HUBS``; an item of the payload cannot
            have this name here.
        """
        found = self.subscriptions(topic, hub=hub)
        return any(_has(subscription.get("payload"), payload) for subscription in found)

    def count(self, topic: Any = None, *, hub: str | None = None) -> int:
        """Return how many subscribers follow a topic, by just this selector, or anything at all.

        :param hub: another hub that is asked, by its name in ``MERCURE_HUBS``.
        """
        found = self.subscriptions(topic, hub=hub)
        return len({subscription.get("subscriber") for subscription in found})

    # The app

    def _template_globals(self) -> dict[str, Callable[..., Any]]:
        return {
            "mercure_hub_url": self.hub_url,
            "mercure_authentified_hub_url": self.authentified_hub_url,
            "mercure_subscriber_jwt": self.create_subscription_jwt,
            "mercure_topic": topic_of,
            "mercure_cookie_url": lambda: cookie_renewal.renewal_url(self._state()),
            "mercure_subscription_topic": self.subscription_topic,
            "mercure_subscriptions": self.subscriptions,
        }

    def _state(self) -> AppState:
        """Return the state of the current app, or of the only app there is."""
        if has_app_context():
            state = self._states.get(current_app._get_current_object())  # pyright: ignore
            if state is None and EXTENSION in current_app.extensions:
                raise ServedByAnother(
                    "the current app has another MercureSSE; use that one, or this one within the context of "
                    "an app of its own"
                )
            if state is None:
                raise ConfigurationError(
                    "MercureSSE is not registered with the current app; call init_app(app)"
                )
            return state
        states = list(self._states.values())
        if not states:
            raise ConfigurationError("MercureSSE serves no app yet; call init_app(app)")
        if len(states) > 1:
            raise ConfigurationError(
                "MercureSSE serves several apps; use it within the context of one: with app.app_context()"
            )
        return states[0]


def _given(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in arguments.items()
        if value is not None and name not in ("self", "app", "__class__")
    }


def _topics(topics: Any) -> list[str]:
    return [] if topics is None else list(topics_of(topics))


def _has(payload: object, wanted: Mapping[str, Any]) -> bool:
    items = cast("dict[str, Any]", payload) if isinstance(payload, dict) else {}
    return all(name in items and items[name] == value for name, value in wanted.items())
