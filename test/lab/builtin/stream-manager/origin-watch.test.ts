import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { streamKey } from '../../../../lab/builtin/stream-manager/address.ts';
import { DEFAULT_LIMITS, DEFAULT_TIMES } from '../../../../lab/builtin/stream-manager/config.ts';
import { OriginWatch } from '../../../../lab/builtin/stream-manager/origin-watch.ts';
import { Registry } from '../../../../lab/builtin/stream-manager/registry.ts';

const SERVICE = 'now';
const VERSIONS = JSON.stringify({ service: SERVICE });
const STREAMS = JSON.stringify({
  service: SERVICE,
  streams: [{ name: 'x', app: 'live', url: '/live/x', publish: { active: true, cid: 'c' } }],
});

/** The API of an origin that holds back what it is asked for by this path, and answers the rest. */
async function originThatHolds(
  t: TestContext,
  path: string,
): Promise<{ api: string; held: Promise<ServerResponse> }> {
  let hold = (_response: ServerResponse): void => {};
  const held = new Promise<ServerResponse>((resolve) => {
    hold = resolve;
  });
  const server = createServer((request, response) => {
    if (request.url!.startsWith(path)) hold(response);
    else response.end(request.url!.startsWith('/api/v1/versions') ? VERSIONS : STREAMS);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close().closeAllConnections());
  return { api: `127.0.0.1:${(server.address() as AddressInfo).port}`, held };
}

/** The origin was started anew since it was last seen, so it is asked what it has. */
function watching(t: TestContext, api: string): { registry: Registry; watch: OriginWatch; key: string } {
  const registry = new Registry({ ...DEFAULT_TIMES, poll: 60_000 }, DEFAULT_LIMITS, new Set());
  const watch = new OriginWatch(registry, new Set(), () => {});
  t.after(() => watch.close());
  const { key } = registry.see({ rtmp: { host: '127.0.0.1', port: 1935 }, api, service: 'before' });
  return { registry, watch, key };
}

test('an origin that is forgotten while it is asked whether it lives is known again, with its API', async (t) => {
  const { api, held } = await originThatHolds(t, '/api/v1/versions');
  const { registry, watch, key } = watching(t, api);
  const asked = watch.start();
  const answer = await held;
  registry.dropOrigin(registry.origins.get(key)!);
  answer.end(VERSIONS);
  await asked;
  const origin = registry.origins.get(key)!;
  assert.equal(origin.api, api);
  assert.equal(registry.find(streamKey('', 'live', 'x'))?.origin, origin);
});

test('an origin that is forgotten while it is asked what it has gets nothing', async (t) => {
  const { api, held } = await originThatHolds(t, '/api/v1/streams');
  const { registry, watch, key } = watching(t, api);
  const asked = watch.start();
  const answer = await held;
  registry.dropOrigin(registry.origins.get(key)!);
  answer.end(STREAMS);
  await asked;
  assert.deepEqual([registry.origins.size, registry.publications], [0, 0]);
});
