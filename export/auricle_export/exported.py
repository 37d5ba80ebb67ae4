"""Placeholder."""
class ExportError(Exception):
    """x"""
