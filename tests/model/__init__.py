"""The broker against a reference model, in random conversations."""
