"""The hub: who may do what, who gets what, and what is kept. It owns no socket."""
