/**
 * What has to be one step in Redis, in Lua: whoever comes first decides, for all proxies. Keys of origins are found in
 * the list of all, so these are not for a Redis Cluster.
 */

/** KEYS: server, all servers. ARGV: document, ms alive or 0 for ever, whether others at its endpoint are dead ('1'). */
export const REGISTER = `
local document = cjson.decode(ARGV[1])
local ok, before = pcall(cjson.decode, redis.call('GET', KEYS[2]) or '[]')
if not ok then before = {} end
local servers = {}
for _, key in ipairs(before) do
  local found = key ~= KEYS[1] and redis.call('GET', key)
  if found then
    local read, other = pcall(cjson.decode, found)
    local same = read and other.ip == document.ip and other.rtmp and other.rtmp[1] == document.rtmp[1]
    if same and ARGV[3] == '1' then redis.call('DEL', key) else table.insert(servers, key) end
  end
end
table.insert(servers, KEYS[1])
if ARGV[2] == '0' then redis.call('SET', KEYS[1], ARGV[1])
else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
redis.call('SET', KEYS[2], cjson.encode(servers))
return #servers
`;

/**
 * KEYS: stream, all servers, turn. ARGV: ms that the pick is kept; key of the server that could not be reached, or '';
 * key of the server that this proxy knows of from before, or ''; keys of servers that are suspect, as JSON; what
 * mutants do: 'unsticky', 'first', 'never' again. Returns key, document, and how it was picked; or nothing.
 */
export const PICK = `
local current = redis.call('GET', KEYS[1])
if current and current ~= ARGV[2] and ARGV[5] ~= 'unsticky' then
  local server = redis.call('GET', current)
  if server then
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
    return {current, server, 'sticky'}
  end
end
if current and ARGV[5] == 'never' then return false end
local ok, servers = pcall(cjson.decode, redis.call('GET', KEYS[2]) or '[]')
if not ok then servers = {} end
local suspects = {}
for _, key in ipairs(cjson.decode(ARGV[4])) do suspects[key] = true end
local alive, trusted = {}, {}
local chosen
for _, key in ipairs(servers) do
  if key ~= ARGV[2] and redis.call('EXISTS', key) == 1 then
    table.insert(alive, key)
    if not suspects[key] then table.insert(trusted, key) end
    if key == ARGV[3] and not current then chosen = key end
  end
end
local candidates = #trusted > 0 and trusted or alive
if #candidates == 0 then return false end
table.sort(candidates)
if ARGV[5] == 'first' then chosen = candidates[1] end
if not chosen then chosen = candidates[(redis.call('INCR', KEYS[3]) - 1) % #candidates + 1] end
redis.call('SET', KEYS[1], chosen, 'PX', ARGV[1])
return {chosen, redis.call('GET', chosen), current and 'again' or 'new'}
`;

/** KEYS: stream. ARGV: key of its server, ms. A pick that is in use is kept, and made again when it has been lost. */
export const KEEP = `
local current = redis.call('GET', KEYS[1])
if not current then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
elseif current == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return current or ARGV[1]
`;
