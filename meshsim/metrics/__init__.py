"""Istio's standard metrics and Envoy's statistics of a recorded run, as the proxies of a real mesh report them."""
