"""Tenants, their people and their tokens over the API."""
