import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { describe, it } from 'node:test';
import { isFree, planAddresses } from '../../lab/ports.ts';
import { edgeCluster } from '../../lab/topologies/edge-cluster.ts';

async function listener(host: string, port = 0): Promise<net.Server> {
  const server = net.createServer().listen(port, host);
  await once(server, 'listening');
  return server;
}

describe('addresses', () => {
  it('are all different, all on loopback, and there is a tap for every link of an edge and of a cache', async () => {
    const { nodes, taps } = await planAddresses(edgeCluster, 'free');
    const endpoints = [
      ...[...nodes.values()].flatMap(({ host, ports }) =>
        Object.values(ports).map((port) => `${host}:${port}`),
      ),
      ...taps.map(({ host, port }) => `${host}:${port}`),
    ];
    // Three of each node, taps, and the UDP ports of the origin.
    assert.equal(endpoints.length, 7 * 3 + 4 + 2);
    assert.equal(new Set(endpoints).size, endpoints.length);
    assert.ok(endpoints.every((endpoint) => endpoint.startsWith('127.')));
    assert.deepEqual(
      taps.map(({ from, to, carries }) => `${from}>${to} ${carries}`),
      ['edge-1>origin rtmp', 'edge-2>origin rtmp', 'edge-3>origin rtmp', 'cache>origin http'],
    );
  });

  it('keep media nodes in 127.1 to 127.15, where no client is', async () => {
    for (let round = 0; round < 20; round += 1) {
      const { nodes } = await planAddresses(edgeCluster, 'free');
      for (const [name, { host }] of nodes) {
        const second = Number(host.split('.')[1]);
        assert.ok(
          name === 'balancer' ? host === '127.0.0.1' : second >= 1 && second <= 15,
          `${name}: ${host}`,
        );
      }
    }
  });

  it('with a base port are the same every time, the balancer first', async () => {
    const base = 23_400;
    const plan = await planAddresses(edgeCluster, base);
    assert.deepEqual(plan.nodes.get('balancer'), {
      host: '127.0.0.1',
      ports: { rtmp: base, http: base + 1, api: base + 2 },
    });
    assert.deepEqual(plan.nodes.get('origin')!.ports, {
      rtmp: base + 10,
      http: base + 11,
      api: base + 12,
      srt: base + 13,
      rtc: base + 14,
    });
    assert.deepEqual(plan, await planAddresses(edgeCluster, base));
  });

  it('with a base port are refused when one is taken, friendly ones give way', async () => {
    const taken = await listener('127.0.0.1');
    const { port } = taken.address() as net.AddressInfo;
    assert.equal(await isFree('127.0.0.1', port), false);
    await assert.rejects(planAddresses(edgeCluster, port), { code: 'lab.port', node: 'balancer' });
    taken.close();
    await once(taken, 'close');
    assert.equal(await isFree('127.0.0.1', port), true);

    const rtmp = (await isFree('127.0.0.1', 1935)) ? await listener('127.0.0.1', 1935) : undefined;
    const { ports } = (await planAddresses(edgeCluster, 'friendly')).nodes.get('balancer')!;
    assert.notEqual(ports.rtmp, 1935);
    assert.equal(await isFree('127.0.0.1', ports.rtmp), true);
    rtmp?.close();
  });
});
