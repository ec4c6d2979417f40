"""The shapes of the bodies of pools, routes, switches and reloads."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ServerNodeAsked(_Asked):
    """Another Argus that becomes a node."""

    host: str = Field(examples=["agent-1.lan"])
    port: int = Field(examples=[8001])
    weight: float = 1.0
    max_connections: int = 100


class PoolConfigAsked(_Asked):
    """How many calls a pool makes at once, and how it chooses; all of it may be left out."""

    min_size: int | None = None
    max_size: int | None = None
    initial_size: int | None = None
    timeout: float | None = Field(default=None, description="The most seconds of one call.")
    max_idle_time: float | None = None
    health_check_interval: float | None = None
    auto_scale: bool | None = None
    scale_factor: float | None = None
    scale_threshold: float | None = None
    max_waiting: int | None = None
    hedge: bool | None = None
    load_balance_strategy: str | None = Field(
        default=None, description="The balancer: `round_robin` if absent."
    )


class PoolAsked(_Asked):
    """A new pool."""

    name: str = Field(examples=["market_data_pool"])
    config: PoolConfigAsked | None = None
    server_nodes: list[ServerNodeAsked]


class PoolChangeAsked(_Asked):
    """What to change of a pool; `server_nodes` replaces all of its nodes."""

    config: PoolConfigAsked | None = None
    server_nodes: list[ServerNodeAsked] | None = None


class ScaleAsked(_Asked):
    """The size that a pool shall have."""

    target_size: StrictInt


class RouteAsked(_Asked):
    """The pools of a route, the first to be asked first, and whether that order is kept."""

    pools: list[str]
    order: Literal["written", "quality"] = Field(
        default="written",
        description="`quality`: whoever proves best is asked first, the written order decides "
        "among near equals.",
    )


class SwitchAsked(_Asked):
    """How a source is set; what is absent stays as it is."""

    enabled: StrictBool | None = None
    drain: StrictBool | None = None


class PoolConfigRow(BaseModel):
    """The settings of a pool."""

    min_size: int
    max_size: int
    initial_size: int | None
    timeout: float
    max_idle_time: float
    health_check_interval: float
    auto_scale: bool
    scale_factor: float
    scale_threshold: float
    max_waiting: int
    hedge: bool
    load_balance_strategy: str | None


class PoolRow(BaseModel):
    """One pool now; `total_connections` is its size, the most calls at once."""

    name: str
    active_connections: int
    idle_connections: int
    total_connections: int
    pool_utilization: float
    health_status: Literal["healthy", "degraded", "unhealthy"]
    server_nodes_count: int
    waiting: int
    defined_by: Literal["file", "api"]
    routes: list[str]
    last_update: str


class PoolsBody(BaseModel):
    """Every pool of the file and of the API."""

    success: Literal[True]
    pools: list[PoolRow]
    total_pools: int
    timestamp: str


class NodeRow(BaseModel):
    """One node; host and port are null where it is a source of the file."""

    host: str | None
    port: int | None
    health_status: bool
    current_connections: int
    response_time: float | None = Field(description="Milliseconds; null before the first call.")
    name: str
    weight: float
    reason: str | None = Field(description="Why it is passed over, if it is.")


class CheckedNodeRow(BaseModel):
    """What a node's check came to."""

    host: str | None
    port: int | None
    health_status: bool
    current_connections: int
    last_health_check: str | None
    name: str
    reason: str | None


class PoolMetrics(BaseModel):
    """A pool's load now, and what its calls of the last minute came to."""

    active_connections: int
    idle_connections: int
    total_connections: int
    pool_utilization: float
    avg_response_time: float | None = Field(description="Milliseconds; null without calls.")
    error_rate: float | None
    throughput: float = Field(description="Calls a second.")
    server_nodes: list[NodeRow]
    waiting: int
    refused: int
    last_update: str


class PoolBody(BaseModel):
    """One pool."""

    success: Literal[True]
    pool_name: str
    metrics: PoolMetrics
    config: PoolConfigRow
    health_status: Literal["healthy", "degraded", "unhealthy"]
    defined_by: Literal["file", "api"]
    routes: list[str]
    timestamp: str


class PoolMadeBody(BaseModel):
    """The pool as it was made or changed."""

    success: Literal[True]
    message: str
    pool_name: str
    config: PoolConfigRow
    server_nodes_count: int
    timestamp: str


class ScaledBody(BaseModel):
    """The size before and now."""

    success: Literal[True]
    message: str
    previous_size: int
    new_size: int
    target_size: int
    timestamp: str


class CheckedBody(BaseModel):
    """What the checks of all nodes came to."""

    success: Literal[True]
    message: str
    total_nodes: int
    healthy_nodes: int
    unhealthy_nodes: int
    node_details: list[CheckedNodeRow]
    timestamp: str


class DeletedBody(BaseModel):
    """That it is gone."""

    success: Literal[True]
    message: str
    timestamp: str


class RouteRow(BaseModel):
    """A route; `rules` are finer ones of the file, which go before it."""

    dataset: str
    pools: list[str]
    order: Literal["written", "quality"] = Field(
        description="Whether failover goes down `pools` as written or as the sources prove."
    )
    defined_by: Literal["api", "file", "default", "derived"]
    rules: list[dict[str, Any]]


class RouteBody(BaseModel):
    """The route of a dataset."""

    success: Literal[True]
    data: RouteRow
    timestamp: str


class SwitchRow(BaseModel):
    """How a source is set."""

    name: str
    enabled: bool
    drain: bool
    state: str
    in_flight: int = Field(description="Calls that are still under way.")


class SwitchBody(BaseModel):
    """How a source is set."""

    success: Literal[True]
    data: SwitchRow
    timestamp: str


class ReloadRow(BaseModel):
    """What a reload did, table by table."""

    added: list[str]
    removed: list[str]
    changed: list[str]
    kept: list[str]
    needs_restart: list[str] = Field(description="Changed tables that were not applied.")
    ignored: list[str] = Field(description="What was made at run time and is not in force now.")


class ReloadBody(BaseModel):
    """What a reload did."""

    success: Literal[True]
    data: ReloadRow
    timestamp: str
