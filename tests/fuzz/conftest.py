import fuzz_paths  # noqa: F401 - for what it does to the path
