"""Workloads of other tools to scenarios: isotope topologies, traces of Jaeger and OpenTelemetry, series of rates."""
