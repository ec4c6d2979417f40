"""What a failure of the vendor's means, as one of Argus' own errors.

The vendor raises plain ``Exception`` or ``RuntimeError``; only the text tells what happened.
"""

from __future__ import annotations

import logging
import re

from argus_core import (
    ArgusError,
    BadData,
    NotOffered,
    PermissionDenied,
    SourceTimeout,
    SourceUnavailable,
    Throttled,
)

logger = logging.getLogger(__name__)


class UnknownCode(BadData):
    """The client does not know a code, which is no fault of the client."""


_MEANINGS: tuple[tuple[re.Pattern[str], type[ArgusError], str], ...] = (
    (re.compile("权限"), PermissionDenied, "the account may not read {what}"),
    (
        re.compile("请求超速|超限|超过上限|不能超过"),
        Throttled,
        "the client is asked too much: {what}",
    ),
    (
        re.compile("function not realize|ErrorID\\D{0,4}300000|未支持|不支持|没有该函数"),
        NotOffered,
        "this client does not offer {what}",
    ),
    (re.compile("周期错误"), NotOffered, "this client does not know the period of {what}"),
    (re.compile("代码错误"), UnknownCode, "the client does not know a code of {what}"),
    (re.compile("无法连接|断开|未连接"), SourceUnavailable, "the client cannot be reached"),
    (
        re.compile("超时|timed? ?out", re.IGNORECASE),
        SourceTimeout,
        "{what} took the client too long",
    ),
    (re.compile("下载数据失败"), BadData, "the client could not download {what}"),
    (re.compile("错误"), BadData, "the client rejects the question for {what}"),
)
_PYTHON_TRIPPED = (TypeError, KeyError, ValueError, IndexError, AttributeError)


def refusal(what: str, error: Exception) -> ArgusError:
    """The error that the vendor's ``error``, raised when asked for ``what``, stands for."""
    if isinstance(error, ArgusError):
        return error
    text = str(error)
    logger.debug("%s failed: %s: %s", what, type(error).__name__, text)
    for pattern, meaning, sentence in _MEANINGS:
        if pattern.search(text):
            return meaning(sentence.format(what=what))
    if isinstance(error, _PYTHON_TRIPPED):
        # The Python half of the vendor's package fell over what its native half returned
        return BadData(f"the client's answer to {what} cannot be read ({type(error).__name__})")
    return SourceUnavailable(f"the client failed at {what} ({type(error).__name__})")
