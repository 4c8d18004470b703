"""Media inside the application: what needs PyAV (`pip install sfu[media]`). Imported by those who use it."""
