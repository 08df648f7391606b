"""Kubernetes, Istio and Gateway API objects: documents with YAML positions, field tables, views, the store."""

from meshsim.api.build import make_object, parse_timestamp
from meshsim.api.fields import Fields
from meshsim.api.objects import ApiObject, ObjectKey, Origin
from meshsim.api.store import ObjectStore, ObjectView

__all__ = ["ApiObject", "Fields", "ObjectKey", "ObjectStore", "ObjectView", "Origin", "make_object", "parse_timestamp"]
