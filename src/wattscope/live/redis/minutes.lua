-- Put sums of whole minutes, counted elsewhere, in the place of those that were counted here.
--
-- KEYS  1 the page
-- ARGV  1 number of the page   2 channel   3 rows
-- Returns how many series changed; their records are published on the channel.
--
-- Only the minute before a series' newest one is replaced: into the newest one values still come.
-- Where more values were counted here, the sums from elsewhere began or ended within the minute.

local ROW = '>I2i4I4ddd'
local RECORD = '>i4I4di4I4dddI4ddd'
local RECORD_BYTES = 76
local pack, unpack = struct.pack, struct.unpack

local page, rows = KEYS[1], ARGV[3]
local changes = {}
local at, length = 1, #rows
while at <= length do
  local slot, row_minute, row_n, row_sum, row_min, row_max, next_at = unpack(ROW, rows, at)
  local start = slot * RECORD_BYTES
  local known = redis.call('GETRANGE', page, start, start + RECORD_BYTES - 1)
  if #known == RECORD_BYTES then
    local hi, lo, value, minute, n, sum, min, max, n_before = unpack(RECORD, known)
    if n > 0 and row_minute == minute - 1 and row_n >= n_before then
      local record = pack(RECORD, hi, lo, value, minute, n, sum, min, max,
        row_n, row_sum, row_min, row_max)
      redis.call('SETRANGE', page, start, record)
      changes[#changes + 1] = pack('>I2', slot)
      changes[#changes + 1] = record
    end
  end
  at = next_at
end

if #changes > 0 then
  redis.call('PUBLISH', ARGV[2], pack('>I4', ARGV[1]) .. table.concat(changes))
end
return #changes / 2
