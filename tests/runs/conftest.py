"""Small random models for these tests."""

from small_models import small_model

__all__ = ["small_model"]
