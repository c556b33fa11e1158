"""The event layer: what happens in an app, bound to topics. It needs no Flask, only a way to publish."""
