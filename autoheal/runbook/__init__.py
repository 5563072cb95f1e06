"""Runbooks from YAML: schema, loader, templates, lint."""
