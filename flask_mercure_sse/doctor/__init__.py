"""Looks at the whole path of updates, from an app's settings to a subscriber, and says what to change."""
