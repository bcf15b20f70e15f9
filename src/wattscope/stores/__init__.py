"""Stores: readings and rollups that can be asked. One implementation a technology."""
