"""Dialects: how clients of different kinds reach the same rooms. JSON over WebSocket (`ws`), WHIP and WHEP.

Each translates between its wire and `Session`; none knows of another. Who may come in is decided in `access`.
"""
