"""``python -m argus_api`` equals ``argus serve``."""

import subprocess
import sys


def test_it_is_serve():
    def help_of(*command):
        run = subprocess.run(
            [sys.executable, *command, "--help"], capture_output=True, text=True, check=True
        )
        return run.stdout.replace("argus_api", "argus_cli")

    assert help_of("-m", "argus_api") == help_of("-m", "argus_cli", "serve")
    assert "--port" in help_of("-m", "argus_api")
