"""For all tests: property tests find the same cases on every machine, and no machine is too slow for them."""

from hypothesis import settings

settings.register_profile("house", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("house")
