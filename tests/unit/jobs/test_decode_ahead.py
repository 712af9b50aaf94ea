"""What the process that decodes ahead has to load before it can begin."""

from __future__ import annotations

import subprocess
import sys


def test_loads_neither_the_formats_it_does_not_read_nor_validation() -> None:
    code = "import sys, gridwright.jobs.files.decode_ahead; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert "gridwright.jobs.files.read_file" in loaded
    assert {"gridwright.vee", "gridwright.formats.registry", "gridwright.store", "sqlalchemy"}.isdisjoint(loaded)
