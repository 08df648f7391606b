"""What an Envoy decides for a connection and a request, from its active configuration."""
