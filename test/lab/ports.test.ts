import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { describe, it } from 'node:test';
import { isFree, type PortChoice, planAddresses } from '../../lab/ports.ts';
import { coworkerCluster } from '../../lab/topologies/coworker-cluster.ts';
import { edgeCluster } from '../../lab/topologies/edge-cluster.ts';
import { proxyCluster } from '../../lab/topologies/proxy-cluster.ts';
import { proxyRedis } from '../../lab/topologies/proxy-redis.ts';
import { streamManager } from '../../lab/topologies/stream-manager.ts';
import type { Topology } from '../../lab/topology.ts';
import { freePort } from '../support/ports.ts';

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
    const base = await freePort();
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

  it('give an origin that registers a host of its own, where taps have its port numbers', async () => {
    const { nodes, taps, aliases } = await planAddresses(proxyRedis, 'free');
    assert.deepEqual([...aliases.keys()], ['origin-1', 'origin-2', 'origin-3']);
    for (const [origin, alias] of aliases) {
      const { host, ports } = nodes.get(origin)!;
      assert.notEqual(alias, host);
      const before = taps.filter(({ to }) => to === origin);
      assert.deepEqual(
        before.map(({ from, carries, host: at, port }) => `${from} ${carries} ${at}:${port}`),
        (['rtmp', 'http', 'api', 'srt', 'rtc'] as const).map(
          (carries) => `balancer ${carries} ${alias}:${ports[carries]}`,
        ),
      );
      assert.equal(taps.filter(({ from, carries }) => from === origin && carries === 'system').length, 1);
    }
  });

  it('tap what an origin asks and tells, and what a stream manager asks it', async () => {
    const links = async (topology: Topology): Promise<string[]> =>
      (await planAddresses(topology, 'free')).taps
        .filter(({ from, to }) => !from.startsWith('edge') && [from, to].includes('origin-1'))
        .map(({ from, to, carries }) => `${from}>${to} ${carries}`);
    assert.deepEqual(await links(coworkerCluster), [
      'origin-1>origin-2 api',
      'origin-1>origin-3 api',
      'origin-2>origin-1 api',
      'origin-3>origin-1 api',
    ]);
    assert.deepEqual(await links(streamManager), [
      'origin-1>stream-manager api',
      'stream-manager>origin-1 api',
    ]);
  });

  it('have every UDP port once, as an SRS listens to its own on all addresses', async () => {
    for (const choice of ['free', 'friendly', await freePort()] as const) {
      const { nodes } = await planAddresses(proxyCluster, choice);
      const ports = [...nodes.values()].flatMap(({ ports: { srt, rtc } }) => [srt, rtc]).filter(Boolean);
      assert.equal(ports.length, 4 * 2);
      assert.equal(new Set(ports).size, ports.length, String(choice));
    }
  });

  it('have UDP ports that no cluster of before was given, which may be still coming up', async (t) => {
    const udpPorts = async (): Promise<number[]> => {
      // The same numbers for both, but that the subnet of the first one is taken.
      let state = 123_456;
      const random = t.mock.method(Math, 'random', () => {
        state = (state * 16_807) % 2_147_483_647;
        return state / 2_147_483_647;
      });
      const { nodes } = await planAddresses(proxyCluster, 'free');
      random.mock.restore();
      return [...nodes.values()].flatMap(({ ports: { srt, rtc } }) => [srt ?? 0, rtc ?? 0]);
    };
    const first = await udpPorts();
    const second = await udpPorts();
    assert.deepEqual(
      second.filter((port) => port > 0 && first.includes(port)),
      [],
    );
  });

  it('put the proxy where people come in, where there is no balancer and no other cluster', async () => {
    const hostOf = async (choice: PortChoice): Promise<string> =>
      (await planAddresses(proxyCluster, choice)).nodes.get('proxy')!.host;
    assert.equal(await hostOf('friendly'), '127.0.0.1');
    const base = await freePort();
    assert.equal(await hostOf(base), '127.0.0.1');
    assert.notEqual(await hostOf('free'), '127.0.0.1');
    const { ports } = (await planAddresses(proxyCluster, base)).nodes.get('proxy')!;
    assert.deepEqual(ports, {
      rtmp: base,
      http: base + 1,
      api: base + 2,
      srt: base + 3,
      rtc: base + 4,
      system: base + 5,
    });
  });

  it('of a balancer in front of proxies are those of a proxy over TCP, and its own statistics', async () => {
    const base = await freePort();
    const { nodes } = await planAddresses(proxyRedis, base);
    assert.deepEqual(nodes.get('balancer')!.ports, {
      ...{ rtmp: base, http: base + 1, api: base + 2 },
      ...{ system: base + 5, stats: base + 7 },
    });
    assert.equal(nodes.get('redis')!.ports.redis, base + 16);
  });
});
