"""Exporters that describe their memory wrongly, and the expected outcomes."""
