"""Field tables of the metadata and references that all Kubernetes kinds share (API 1.33 to 1.37)."""

from __future__ import annotations

from typing import Final

META: Final = """
ObjectMeta
  annotations labels: {text}
  creationTimestamp deletionTimestamp: time
  deletionGracePeriodSeconds generation: int
  finalizers: [text]
  generateName name namespace resourceVersion selfLink uid: text
  managedFields: [ManagedFieldsEntry]
  ownerReferences: [OwnerReference]
LabelSelector
  matchExpressions: [LabelSelectorRequirement]
  matchLabels: {text}
LocalObjectReference
  name: text
ObjectReference
  apiVersion fieldPath kind name namespace resourceVersion uid: text
TypedLocalObjectReference
  apiGroup kind! name!: text
TypedObjectReference
  apiGroup kind! name! namespace: text
ManagedFieldsEntry
  apiVersion fieldsType manager operation subresource: text
  fieldsV1: object
  time: time
OwnerReference
  apiVersion! kind! name! uid!: text
  blockOwnerDeletion controller: bool
LabelSelectorRequirement
  key!: text
  operator!: <In NotIn Exists DoesNotExist>
  values: [text]
"""
