"""The checks behind `scripts/check_floors.py`: who may import whom, and no import cycle."""
