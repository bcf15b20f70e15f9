-- Take rows of one page: of each series only what is newer than what is known.
--
-- KEYS  1 the page   2 the set of all pages
-- ARGV  1 number of the page   2 channel   3 rows, each series' together and by time
-- Returns how many series changed; their records are published on the channel.
--
-- Instants are compared as halves of 32 bits: Lua has doubles only, which hold 53 bits, and would
-- compare strings by the server's locale.

local ROW = '>I2i4I4i4d'
local RECORD = '>i4I4di4I4dddI4ddd'
local RECORD_BYTES = 76
local pack, unpack = struct.pack, struct.unpack

local page, rows = KEYS[1], ARGV[3]
local first_slot = unpack('>I2', rows, 1)
local last_slot = unpack('>I2', rows, #rows - struct.size(ROW) + 1)
local start = first_slot * RECORD_BYTES
local known = redis.call('GETRANGE', page, start, (last_slot + 1) * RECORD_BYTES - 1)

local changes = {}
local run, run_slot = {}, 0

-- Records that lie beside each other are written at once.
local function write_run()
  if #run > 0 then
    redis.call('SETRANGE', page, run_slot * RECORD_BYTES, table.concat(run))
    run = {}
  end
end

local function write(slot, record)
  if slot ~= run_slot + #run then
    write_run()
  end
  if #run == 0 then
    run_slot = slot
  end
  run[#run + 1] = record
  changes[#changes + 1] = pack('>I2', slot)
  changes[#changes + 1] = record
end

local length = #rows
local row_slot, row_hi, row_lo, row_minute, row_value, at = unpack(ROW, rows, 1)
while row_slot do
  local slot = row_slot
  local place = slot * RECORD_BYTES - start + 1
  local hi, lo, value = 0, 0, 0
  local minute, n, sum, min, max = 0, 0, 0, 0, 0
  local n_before, sum_before, min_before, max_before = 0, 0, 0, 0
  if #known >= place + RECORD_BYTES - 1 then
    hi, lo, value, minute, n, sum, min, max, n_before, sum_before, min_before, max_before =
      unpack(RECORD, known, place)
  end
  local is_changed = false
  repeat
    if n == 0 or row_hi > hi or (row_hi == hi and row_lo > lo) then
      if n == 0 or row_minute ~= minute then
        if n > 0 and row_minute == minute + 1 then
          n_before, sum_before, min_before, max_before = n, sum, min, max
        else
          n_before, sum_before, min_before, max_before = 0, 0, 0, 0
        end
        minute, n, sum, min, max = row_minute, 0, 0, row_value, row_value
      end
      hi, lo, value = row_hi, row_lo, row_value
      n, sum = n + 1, sum + row_value
      if row_value < min then min = row_value end
      if row_value > max then max = row_value end
      is_changed = true
    end
    row_slot = nil
    if at <= length then
      row_slot, row_hi, row_lo, row_minute, row_value, at = unpack(ROW, rows, at)
    end
  until row_slot ~= slot
  if is_changed then
    write(slot, pack(RECORD, hi, lo, value, minute, n, sum, min, max,
      n_before, sum_before, min_before, max_before))
  end
end
write_run()

if #changes > 0 then
  redis.call('SADD', KEYS[2], ARGV[1])
  redis.call('PUBLISH', ARGV[2], pack('>I4', ARGV[1]) .. table.concat(changes))
end
return #changes / 2
