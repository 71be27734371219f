"""Hostile input: what a peer may do to the broker, and to nobody else."""
