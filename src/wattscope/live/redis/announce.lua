-- Tell everybody that something of a topic has changed.
--
-- KEYS  1 the hash of versions
-- ARGV  1 topic   2 channel
-- Returns the topic's new version.

local version = redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
redis.call('PUBLISH', ARGV[2], version .. ' ' .. ARGV[1])
return version
