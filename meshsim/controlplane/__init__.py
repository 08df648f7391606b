"""Pilot: registry views, push context, one generator a resource type, debounce, push queue, connections."""
