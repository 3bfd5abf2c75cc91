"""The hypothesis profile, and what the report says about it."""

import hypothesis
import upsweep

hypothesis.settings.register_profile(
    "upsweep", deadline=None, derandomize=True, print_blob=True, max_examples=60
)
hypothesis.settings.load_profile("upsweep")


def pytest_report_header():
    settings = hypothesis.settings()
    return (
        f"upsweep {upsweep.__version__} from {upsweep.__path__[0]}, "
        f"hypothesis: {settings.max_examples} examples, derandomized"
    )
