"""What the cache paths tell people, in Chinese as operators of these markets expect it."""

# ruff: noqa: RUF001 - Chinese sentences have Chinese punctuation

from __future__ import annotations

from collections.abc import Iterator

from argus_core.caching.advice import Change
from argus_core.caching.figures import CacheType, ClearedFigures, Optimised


def cleared(cache_type: CacheType, gone: ClearedFigures) -> str:
    """That the clear is done, and what it left."""
    return "；".join(("缓存清理完成", *_left(cache_type, gone)))


def optimised(done: Optimised) -> str:
    """That the optimisation is done, and why it left the rules alone if it did."""
    if done.reason is not None:
        return f"缓存优化完成：规则未作调整（{done.reason}）"
    return "缓存优化完成" if done.changes else "缓存优化完成：规则无需调整"


def deeds(done: Optimised) -> list[str]:
    """Each thing that was done, in a sentence."""
    told = [_change(change) for change in done.changes]
    if done.purged.cleared_keys:
        told.append(f"清理了 {done.purged.cleared_keys} 个过期键")
    return told


def _left(cache_type: CacheType, gone: ClearedFigures) -> Iterator[str]:
    for label, why in gone.failed.items():
        yield f"{label} 未能清理（{why}），其中的数据以后可能再次被使用"
    for label, why in gone.untold.items():
        yield (
            f"其他进程尚未得知此次清理（{label}：{why}），恢复后将自动通知，"
            "此前它们可能仍使用各自的缓存"
        )
    if cache_type == "history_data":
        yield "历史档案（[history]）不属于缓存，未被清理"


def _change(change: Change) -> str:
    if change.field == "ttl":
        return f"调整了 {change.rule} 的 TTL 从 {change.old:g}s 到 {change.new:g}s"
    return f"调整了 {change.rule} 的 max_size 从 {int(change.old)} 到 {int(change.new)}"
