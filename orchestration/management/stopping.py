"""How a long-running command without an event loop hears that it should end."""

import signal
import threading

SIGNALS = {signal.SIGTERM, signal.SIGINT}


def stop_event() -> threading.Event:
    """Set by SIGTERM or Ctrl-C. To be called before any thread is started.

    A thread waits for the signal. A handler would run in the middle of whatever the main thread does, and setting the
    event there deadlocks when that is the event's own code; a dying parent sends its signal several times over.
    """
    stop = threading.Event()
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    threading.Thread(target=_wait, args=(stop,), name="signals", daemon=True).start()
    return stop


def _wait(stop: threading.Event) -> None:
    signal.sigwait(SIGNALS)
    stop.set()
