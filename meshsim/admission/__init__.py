"""Sidecar injection as pure functions: which webhook is called, what it decides, the injected pod."""

from meshsim.admission.decision import Decision, decide
from meshsim.admission.inject import Injection, inject
from meshsim.admission.review import json_patch, review
from meshsim.admission.settings import DEFAULT_MESH, DEFAULT_VALUES, InjectionSettings, overlay
from meshsim.admission.webhooks import WebhookMatch, injection_webhooks, matching_webhooks

__all__ = [
    "DEFAULT_MESH",
    "DEFAULT_VALUES",
    "Decision",
    "Injection",
    "InjectionSettings",
    "WebhookMatch",
    "decide",
    "inject",
    "injection_webhooks",
    "json_patch",
    "matching_webhooks",
    "overlay",
    "review",
]
