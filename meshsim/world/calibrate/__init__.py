"""Parameters of proxies and their surroundings, fitted to measurements of Istio's data plane."""
