"""Run the mqttwin command with the extension module of another build.

usage: run_with_core.py BUILD_DIRECTORY [ARGUMENTS of mqttwin …]
"""

import importlib.util
import sys
from pathlib import Path


def load_core(build: Path) -> None:
    """Make `mqttwin._core` the module that was built there, before anything imports it."""
    found = sorted(build.glob("_core*.so"))
    if not found:
        sys.exit(f"{sys.argv[0]}: no _core*.so in {build}")
    spec = importlib.util.spec_from_file_location("mqttwin._core", found[0])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mqttwin._core"] = module
    spec.loader.exec_module(module)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    load_core(Path(sys.argv.pop(1)))

    from mqttwin.cli import main

    sys.exit(main())
