"""The only importer of Envoy's protobufs: messages, type URLs, Any handling, ADS as sans-IO state machines."""
