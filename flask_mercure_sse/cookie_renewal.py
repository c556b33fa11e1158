"""Cookies that browsers are given anew in time, so that a tab that stays open stays authorized."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Flask, request, url_for
from werkzeug.wrappers import Response

from .protocol.errors import ConfigurationError

if TYPE_CHECKING:
    from .app_state import AppState

Renewer = Callable[[Any], object]
"""Sets the cookie on a response, or deletes it, for the user of the current request."""

MARK = "mercure_cookie_ends"
"""Cookie that says when the other one ends: that one is for the hub alone, so the app does not see it."""

ENDPOINT = "mercure_cookie.renew"
PATH = "/mercure/cookie"


def mark(response: Response, state: AppState, attributes: dict[str, Any]) -> None:
    """Note in the browser when its cookie for the hub ends, where that is to be renewed.

    :param attributes: those of the other cookie.
    :raises ConfigurationError: nothing says how to renew it.
    """
    lifetime = state.tokens.cookie_lifetime
    if state.config.cookie_renew and lifetime is not None:
        state.instance.check_cookie_renewer()
        own: dict[str, Any] = {**attributes, "path": _path(state)}
        response.set_cookie(MARK, str(int(time.time() + lifetime)), **own)


def unmark(response: Response, state: AppState, attributes: dict[str, Any]) -> None:
    """Take the note back."""
    if state.config.cookie_renew:
        own: dict[str, Any] = {**attributes, "path": _path(state)}
        response.delete_cookie(MARK, **own)


def _path(state: AppState) -> str:
    return str(state.app_config["APPLICATION_ROOT"])


def renew_cookies(app: Flask, state: AppState) -> None:
    """Renew cookies with the app's responses, and with a URL that does nothing else.

    :raises ConfigurationError: there is nothing to renew.
    """
    lifetime = state.tokens.cookie_lifetime
    if lifetime is None:
        raise ConfigurationError(
            "MERCURE_COOKIE_RENEW: True has nothing to renew, for the app's tokens have no end; set "
            "MERCURE_TOKEN_LIFETIME to the seconds until they end, or leave it out"
        )

    @app.after_request
    def renew_in_time(response: Response) -> Response:  # pyright: ignore[reportUnusedFunction]
        if _is_due(request.cookies.get(MARK), lifetime) and not _is_settled(response, state):
            try:
                state.instance.renew_authz_cookie(response)
            except Exception:
                app.logger.exception("The cookie for the Mercure hub could not be renewed; the page goes on")
        return response

    def renew() -> Response:
        response = Response(status=204, headers={"Cache-Control": "no-store"})
        return state.instance.renew_authz_cookie(response)

    blueprint = Blueprint(ENDPOINT.partition(".")[0], __name__)
    blueprint.add_url_rule(PATH, "renew", renew, methods=["POST"])
    app.register_blueprint(blueprint)


def renewal_url(state: AppState) -> str:
    """Return the URL that does nothing else.

    :raises ConfigurationError: the app has none.
    """
    if not state.config.cookie_renew:
        raise ConfigurationError(
            "mercure_cookie_url: nothing renews cookies; set MERCURE_COOKIE_RENEW to True"
        )
    return url_for(ENDPOINT)


def _is_due(ends_at: str | None, lifetime: float) -> bool:
    """Tell whether half of a cookie's life is over."""
    if ends_at is None:
        return False
    try:
        return float(ends_at) - time.time() <= lifetime / 2
    except ValueError:
        return True


def _is_settled(response: Response, state: AppState) -> bool:
    """Tell whether a response says already what becomes of the cookie, or is for others as well."""
    names = {cookie.partition("=")[0] for cookie in response.headers.getlist("Set-Cookie")}
    return bool(names & {MARK, *state.tokens.cookie_names}) or response.cache_control.public is True
