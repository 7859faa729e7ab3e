"""Servers, doubles and factories that tests share."""
