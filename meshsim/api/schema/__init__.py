"""Structural schemas of the kinds meshsim reads: field tables in a notation of their own, and how values are read."""

from meshsim.api.schema.reading import Problem, Reading
from meshsim.api.schema.types import Message

__all__ = ["Message", "Problem", "Reading"]
