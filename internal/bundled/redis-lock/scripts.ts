/** The scripts that run inside Redis. The value of a lock is `SECRET FENCE HOLDER`; a secret has no blank. */

/** Takes a lock: {1, fence}, or {0, holder, milliseconds left}. Its own holder is given it again. */
export const TAKE = `
local value = redis.call('GET', KEYS[1])
if value then
  local holder = string.match(value, '^%S+ %d+ (.*)$')
  if holder ~= ARGV[2] then return {0, holder, redis.call('PTTL', KEYS[1])} end
end
local time = redis.call('TIME')
local last = tonumber(redis.call('GET', KEYS[2]) or '0')
local fence = math.max(last + 1, time[1] * 1000000 + time[2])
local text = string.format('%.0f', fence)
redis.call('SET', KEYS[2], text)
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. text .. ' ' .. ARGV[2], 'PX', ARGV[3])
return {1, text}`;

/** Renews a lock: 1, or 0 when it is not held with this secret. */
export const RENEW = `
local value = redis.call('GET', KEYS[1])
if not value or string.match(value, '^%S+') ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`;

/** Releases a lock: 1, or 0 when it is not held with this secret. */
export const RELEASE = `
local value = redis.call('GET', KEYS[1])
if not value or string.match(value, '^%S+') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`;
