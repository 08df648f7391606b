"""Kubernetes, Istio and Gateway API objects: documents with YAML positions, field tables, views, the store."""

from meshsim.api.build import make_object, parse_timestamp
from meshsim.api.documents import Document, Documents, parse_documents
from meshsim.api.fields import Fields
from meshsim.api.loading import Loaded, decode_text, load_file, load_paths, load_text, object_from_body, read_text
from meshsim.api.objects import ApiObject, ObjectKey, Origin
from meshsim.api.positions import locate, locate_value
from meshsim.api.store import ObjectStore, ObjectView

__all__ = [
    "ApiObject",
    "Document",
    "Documents",
    "Fields",
    "Loaded",
    "ObjectKey",
    "ObjectStore",
    "ObjectView",
    "Origin",
    "decode_text",
    "load_file",
    "load_paths",
    "load_text",
    "locate",
    "locate_value",
    "make_object",
    "object_from_body",
    "parse_documents",
    "parse_timestamp",
    "read_text",
]
