"""The command line: ``run``, ``replay``, ``serve``, ``explore``, ``passwd``, ``pub``, ``sub``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ..errors import ConfigError, MqttwinError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; the status for the shell.

    0: all is well. 1: a check failed, a replay came out differently, or the scenario raised.
    2: wrong input. 130: ended by Ctrl-C.
    """
    from .app import execute_command
    from .running import FAILED, INTERRUPTED, WRONG_INPUT, ScenarioFailed

    try:
        return execute_command(list(sys.argv[1:] if arguments is None else arguments))
    except ConfigError as error:
        _say(str(error))
        return WRONG_INPUT
    except MqttwinError as error:
        _say(str(error))
        return FAILED
    except ScenarioFailed as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # `mqttwin … | head`
        sys.stderr.close()
        return FAILED


def _say(message: str) -> None:
    """One line, whatever is in it."""
    print("mqttwin: " + " ".join(message.split()), file=sys.stderr)
