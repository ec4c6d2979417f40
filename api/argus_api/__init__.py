"""The HTTP face of Argus: a FastAPI application around one gateway."""

from argus_api.app import create_app

__all__ = ["create_app"]
