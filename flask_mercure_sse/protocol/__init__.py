"""The Mercure protocol without any I/O: updates, selectors, tokens, server-sent events, and its versions."""
