"""Lua that the server runs in one piece, so that nobody comes in between.

A lease is a hash with the field ``owner``, and the field ``note`` once it is settled. It expires
by the server's clock: the clocks of the gateways need not agree.
"""

from __future__ import annotations

LEASE = """
local holders = {}
for i, key in ipairs(KEYS) do
  local lease = redis.call('HMGET', key, 'owner', 'note')
  if lease[1] and not lease[2] and lease[1] ~= ARGV[1] then
    holders[i] = lease[1]
  else
    redis.call('DEL', key)
    redis.call('HSET', key, 'owner', ARGV[1])
    redis.call('PEXPIRE', key, ARGV[2])
    holders[i] = ARGV[1]
  end
end
return holders
"""
"""Who holds each key now; the owner takes the free ones, prolongs his. Owner, milliseconds."""

SETTLE = """
for _, key in ipairs(KEYS) do
  local lease = redis.call('HMGET', key, 'owner', 'note')
  if lease[1] == ARGV[1] and not lease[2] then
    redis.call('HSET', key, 'note', ARGV[2])
    redis.call('PEXPIRE', key, ARGV[3])
  end
end
"""
"""End the owner's leases. Owner, note, milliseconds."""

LEASES = """
local leases = {}
for i, key in ipairs(KEYS) do
  leases[i] = redis.call('HMGET', key, 'owner', 'note')
end
return leases
"""
"""Owner and note of each key, both nil where there is no lease."""

DELETE = """
local entries, bytes = 0, 0
for _, key in ipairs(KEYS) do
  local length = redis.call('STRLEN', key)
  if redis.call('UNLINK', key) == 1 then
    entries, bytes = entries + 1, bytes + length
  end
end
return {entries, bytes}
"""
"""How many keys went, and the bytes of their values."""
