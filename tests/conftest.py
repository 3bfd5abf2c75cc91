"""Where xdist runs files side by side, those that take longest start first. It would
start those with the most tests, and at the end one worker would build while the others
have nothing to do."""

from collections import Counter

LONGEST = ["test_determinism.py", "test_sdist.py", "test_cmake.py"]


def pytest_configure(config):
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(config, items):
    if not hasattr(config, "workerinput"):
        return
    tests = Counter(item.path for item in items)

    def place(item):
        name = item.path.name
        start = LONGEST.index(name) if name in LONGEST else len(LONGEST)
        return start, -tests[item.path]

    items.sort(key=place)
