"""The page and the ASGI application that serves it."""
