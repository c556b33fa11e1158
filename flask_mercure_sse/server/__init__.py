"""HTTP fronts of the hub."""
