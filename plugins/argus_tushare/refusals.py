"""What a refusal of the vendor means, as one of Argus' own errors.

Argus' words and the vendor's numeric code are all that goes into the message: the vendor's text
could repeat the token.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from argus_core import (
    ArgusError,
    BadData,
    Clock,
    LoginFailed,
    NotOffered,
    PermissionDenied,
    SourceUnavailable,
    Throttled,
)

_TOO_FAST = re.compile("最多访问|频率超限|访问频次|次/(?:分钟|小时|天)")
_UNIT = re.compile("(?:每|次/)(分钟|小时|天|日)")
_NO_PERMISSION = re.compile("没有.*权限|权限不足")
_BAD_TOKEN = re.compile("token.{0,4}(?:不对|无效|错误|过期|失效)", re.IGNORECASE)
_BAD_PARAMETER = re.compile("必填参数|参数")
_UNKNOWN_INTERFACE = "请指定正确的接口名"

_BOTH_MEANINGS, _PERMISSION, _TOKEN, _PARAMETER = 40203, 2002, 40101, -2001
_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0


def refusal(api_name: str, code: int, message: str, clock: Clock) -> ArgusError:
    """The error that a non-zero ``code`` with this text stands for.

    Code 40203 says both "no permission" and "too fast", so the text decides first.
    """
    told = f"(code {code})"
    if _TOO_FAST.search(message):
        return Throttled(
            f"tushare says that {api_name} is asked too often {told}",
            retry_after=_pause(message, clock),
        )
    if _BAD_TOKEN.search(message) or code == _TOKEN:
        return LoginFailed(f"tushare refuses the token {told}")
    if _NO_PERMISSION.search(message) or code == _PERMISSION:
        return PermissionDenied(f"the tushare account may not read {api_name} {told}")
    if _UNKNOWN_INTERFACE in message:
        return NotOffered(f"tushare knows no interface {api_name} {told}")
    return _misunderstanding(api_name, code, message)


def _misunderstanding(api_name: str, code: int, message: str) -> ArgusError:
    """The error for a refusal that is neither about speed nor about the account."""
    told = f"(code {code})"
    if _BAD_PARAMETER.search(message) or code == _PARAMETER:
        # The vendor and this adapter disagree about the interface. Neither is the node down, nor
        # would the same question succeed a moment later: the next source is asked, at once.
        return BadData(f"tushare rejects the parameters of {api_name} {told}")
    if code == _BOTH_MEANINGS:
        return Throttled(f"tushare refuses {api_name} and does not say why {told}")
    return SourceUnavailable(f"tushare answers {api_name} with an error {told}")


def retry_after(header: str | None, clock: Clock) -> float | None:
    """Seconds from a ``Retry-After`` header, given as seconds or as an HTTP date; a day at most."""
    if header is None:
        return None
    written = header.strip()
    if written.isascii() and written.isdigit():
        return min(float(written[:9]), _DAY)
    try:
        until = parsedate_to_datetime(written)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return min(max(0.0, (until - clock.now()).total_seconds()), _DAY)


def _pause(message: str, clock: Clock) -> float:
    unit = _UNIT.search(message)
    if unit is None or unit[1] == "分钟":
        return _MINUTE
    return _HOUR if unit[1] == "小时" else _until_midnight(clock.now())


def _until_midnight(now: datetime) -> float:
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight - now).total_seconds()
