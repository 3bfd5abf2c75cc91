"""Gets Apple's metal-cpp headers without a Mac, from the macOS wheel of mlx-metal,
which contains them. Prints the folder for UPSWEEP_METAL_CPP:

    python tests/scripts/metal_cpp.py FOLDER
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

INSIDE = "mlx/include/metal_cpp/"


def download(folder):
    """The headers' folder under the given one."""
    found = Path(folder).resolve() / INSIDE
    if (found / "Metal" / "Metal.hpp").exists():
        return found
    with tempfile.TemporaryDirectory() as temporary:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
             "--only-binary=:all:", "--platform=macosx_15_0_arm64",
             "--python-version=3.12", "--dest", temporary, "mlx-metal==0.32.4"],
            check=True,
        )  # fmt: skip
        (wheel,) = Path(temporary).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            headers = [n for n in archive.namelist() if n.startswith(INSIDE)]
            archive.extractall(folder, headers)
    return found


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(download(sys.argv[1]))
