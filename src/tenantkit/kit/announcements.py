"""What the processes of an application tell each other: that something changed, so that nobody relies on what was."""

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from tenantkit.core.forking import renew_after_fork

if TYPE_CHECKING:
    from redis import Redis
    from redis.client import PubSub

__all__ = ["Announcements"]

logger = logging.getLogger("tenantkit.announcements")

_BEAT: Final = 1.0  # seconds between two signs of life
_SILENCE: Final = 3.0  # seconds without one after which nothing is relied on
_MANY: Final = 1000  # messages that wait; more are told as one
_TRIES: Final = 3
_PAUSE: Final = 0.5  # seconds between two tries
_LONGEST_PAUSE: Final = 30.0  # seconds between two tries to listen, after many
Heard = Callable[[frozenset[str]], object]


class Announcements:
    """
    A channel of Redis (pub/sub) on which the processes of an application tell what they changed.

    Redis forgets a message that nobody hears. So a process relies on being told only while it hears something each
    second, and takes everything for changed when it begins to listen, and whenever it was cut off. What could not be
    told, since Redis was away, is told once something is heard again.

    Works in threads of its own, which begin at first use, also in a process that was forked: one listens for as long as
    the process lives, one tells, and ends when nothing is left to tell; a program that ends waits for that one.

    Args:
        redis: a client of its own or the application's; a connection is taken from its pool.
        channel: the channel's name, the same in all processes and no other application's.
        heard: what is done with the subjects of a message, by its topic.
        missed: called when messages may have been missed.
        monotonic: tells seconds that never go back.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        redis: "Redis",
        channel: str,
        *,
        heard: Mapping[str, Heard],
        missed: Callable[[], object],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis, self._channel, self._monotonic = redis, channel, monotonic
        self._on_heard, self._on_missed = dict(heard), missed
        self._renew()
        renew_after_fork(self._renew)

    def _renew(self) -> None:
        """Begin as a process of its own: threads and socket of the one that it was forked from are not its."""
        self._name = uuid4().hex  # its own messages say nothing new
        self._last_heard = float("-inf")
        self._listener: threading.Thread | None = None
        self._teller: threading.Thread | None = None
        self._subscription: PubSub | None = None
        self._untold: deque[str] = deque()
        # the same thread may come a second time: what it makes collects garbage, whose end may have something to tell
        self._lock = threading.RLock()
        self._closed = threading.Event()

    def is_heard(self) -> bool:
        """
        Whether others' changes reach this process just now; begins to listen at the first question.

        Costs a comparison.
        """
        listener = self._listener
        if listener is None or not listener.is_alive():
            self._listen()
        return self._monotonic() < self._last_heard + _SILENCE

    def tell(self, topic: str, subjects: frozenset[str] = frozenset()) -> None:
        """
        Tell others that subjects changed, all where none is named; returns at once.

        Args:
            topic: the kind of what changed.
            subjects: which of them.
        """
        if len(self._untold) >= _MANY:
            self._untold.clear()
            topic, subjects = "many", frozenset()
        message = {"from": self._name, "topic": topic, "subjects": sorted(subjects)}
        self._untold.append(json.dumps(message))
        self._start_telling()

    def close(self) -> None:
        """Stop listening; what is still to be told is told."""
        self._closed.set()
        subscription = self._subscription
        if subscription is not None:
            with suppress(*_errors()):
                subscription.unsubscribe()  # type: ignore[no-untyped-call]  # whose answer wakes the listener
        for thread in (self._listener, self._teller):
            if thread is not None and thread is not threading.current_thread():
                thread.join()
        self._last_heard = float("-inf")

    # telling ---------------------------------------------------------------------------------------------------

    def _start_telling(self) -> None:
        with self._lock:
            if self._teller is None or not self._teller.is_alive():
                # no daemon: a program that changes something and ends has told it
                self._teller = _started(self._tell_all, "tenantkit-teller", daemon=False)

    def _tell_all(self) -> None:
        while True:
            with self._lock:  # who appends afterwards finds no teller, and starts one
                if not self._untold:
                    self._teller = None
                    return
                message = self._untold[0]
            if not self._published(message):
                with self._lock:
                    self._teller = None
                self._listen()  # which tells it once it hears something again
                return
            with self._lock:
                if self._untold and self._untold[0] is message:
                    self._untold.popleft()

    def _published(self, message: str) -> bool:
        for number in range(_TRIES):
            try:
                self._redis.publish(self._channel, message)
            except _errors() as error:
                logger.warning("a change could not be told to other processes: %s", error)
                if number + 1 < _TRIES and self._closed.wait(_PAUSE):
                    break
            else:
                return True
        logger.error(
            "a change was not told to other processes; they see it when what they remember is too old, or when this "
            "process reaches Redis again"
        )
        return False

    # listening -------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        with self._lock:
            if self._closed.is_set() or (self._listener is not None and self._listener.is_alive()):
                return
            self._listener = _started(self._listen_always, "tenantkit-listener", daemon=True)

    def _listen_always(self) -> None:
        pause = _PAUSE
        while not self._closed.is_set():
            try:
                self._listen_once()
            except _errors() as error:
                logger.warning("changes of other processes are not heard: %s", error)
            except Exception:
                logger.exception("changes of other processes are not heard")
            pause = _PAUSE if self._last_heard > float("-inf") else min(2 * pause, _LONGEST_PAUSE)
            self._last_heard = float("-inf")
            self._closed.wait(pause)

    def _listen_once(self) -> None:
        with self._redis.pubsub() as subscription:  # type: ignore[no-untyped-call]
            self._subscription = subscription
            try:
                subscription.subscribe(self._channel)
                self._listen_on(subscription)
            finally:
                self._subscription = None

    def _listen_on(self, subscription: "PubSub") -> None:
        quiet_since = self._monotonic()
        while not self._closed.is_set():
            message = subscription.get_message(timeout=_BEAT)
            if message is not None:
                quiet_since = self._monotonic()
                self._take(message)
            elif self._monotonic() - quiet_since > _SILENCE:
                raise ConnectionError("Redis is silent")
            else:
                subscription.ping()

    def _take(self, message: Mapping[str, Any]) -> None:
        match message["type"]:
            case "subscribe":
                self._on_missed()
            case "message":
                self._hear(message["data"])
            case "unsubscribe" if not self._closed.is_set():
                raise ConnectionError("somebody ended the subscription")
        self._last_heard = self._monotonic()
        if self._untold:
            self._start_telling()

    def _hear(self, data: Any) -> None:
        try:
            told = json.loads(data)
            sender, topic, subjects = told["from"], str(told["topic"]), frozenset(map(str, told["subjects"]))
        except (ValueError, TypeError, KeyError, RecursionError):
            logger.warning("a message that nobody understands: %.100r", data)
            self._on_missed()  # perhaps of a newer version, about anything
            return
        if sender == self._name:
            return
        heard = self._on_heard.get(topic)
        if heard is None or not subjects:
            self._on_missed()
        else:
            heard(subjects)


def _started(work: Callable[[], object], name: str, *, daemon: bool) -> threading.Thread | None:
    """Start a thread; where there can be none, nothing is told and nothing relied on, until the next try."""
    thread = threading.Thread(target=work, name=name, daemon=daemon)
    try:
        thread.start()
    except RuntimeError as error:
        logger.warning("the thread %s could not be started: %s", name, error)
        return None
    return thread


def _errors() -> tuple[type[Exception], ...]:
    from redis.exceptions import RedisError  # noqa: PLC0415 - an extra

    return RedisError, OSError
