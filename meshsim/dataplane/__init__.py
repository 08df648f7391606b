"""Envoy: warming and activation, decisions from decoded xDS, and the event core that runs them under load."""
