"""A plugin with a hook that nobody will ever call."""

from broken.good import GoodBalancer

from argus_core import hookimpl


@hookimpl
def register_balancer():
    return GoodBalancer


@hookimpl
def register_balancers():
    return GoodBalancer
