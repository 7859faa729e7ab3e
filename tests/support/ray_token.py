"""Token of the tests' Ray clusters; Ray reads it when it is imported, and here nothing does."""

TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 4}
