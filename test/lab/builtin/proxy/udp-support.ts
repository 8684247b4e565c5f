/** The UDP side of a proxy in this process, in front of builtin origins in processes of their own. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import type { MutantId } from '../../../../lab/builtin/mutants.ts';
import type { ProxyContext, ProxyPart } from '../../../../lab/builtin/proxy/context.ts';
import { DeadOrigins } from '../../../../lab/builtin/proxy/dead-origins.ts';
import { readEnvironment } from '../../../../lab/builtin/proxy/environment.ts';
import { HttpApi } from '../../../../lab/builtin/proxy/http-api.ts';
import type { Backend, LoadBalancer } from '../../../../lab/builtin/proxy/load-balancer.ts';
import { MemoryBalancer } from '../../../../lab/builtin/proxy/memory-balancer.ts';
import { ProxyMetrics } from '../../../../lab/builtin/proxy/metrics.ts';
import type { ProxyTimeouts } from '../../../../lab/builtin/proxy/timeouts.ts';
import { freePorts, freeUdpPort } from '../../../support/ports.ts';
import type { NodeOptions, TestNode } from '../support.ts';
import { startNode } from '../support.ts';

export interface UdpProxyOptions {
  readonly mutants?: readonly MutantId[];
  readonly timeouts?: Partial<ProxyTimeouts>;
  /** Default: one in memory, of its own. */
  readonly balancer?: LoadBalancer;
  readonly host?: string;
}

export interface UdpProxy<Part extends ProxyPart> {
  readonly part: Part;
  readonly context: ProxyContext;
  readonly balancer: LoadBalancer;
  readonly host: string;
  readonly srtPort: number;
  readonly rtcPort: number;
  readonly apiPort: number;
  readonly log: string[];
  /** Of liveproof_proxy_connections. */
  connections(protocol: 'srt' | 'webrtc'): Promise<number>;
}

export async function startUdpProxy<Part extends ProxyPart>(
  t: TestContext,
  create: (context: ProxyContext) => Part,
  options: UdpProxyOptions = {},
): Promise<UdpProxy<Part>> {
  const host = options.host ?? '127.0.0.1';
  const [srtPort, rtcPort] = [await freeUdpPort(host), await freeUdpPort(host)];
  const [apiPort] = await freePorts(host, 1);
  const environment = readEnvironment({
    PROXY_BIND: host,
    PROXY_SRT_SERVER: String(srtPort),
    PROXY_WEBRTC_SERVER: String(rtcPort),
    PROXY_HTTP_API: String(apiPort),
    PROXY_LOAD_BALANCER_TYPE: 'memory',
    PROXY_TIMEOUTS: JSON.stringify(options.timeouts ?? {}),
    PROXY_MUTANTS: (options.mutants ?? []).join(','),
  });
  const { timeouts, mutants } = environment;
  const metrics = new ProxyMetrics();
  const balancer = options.balancer ?? new MemoryBalancer({ timeouts, mutants, metrics });
  const log: string[] = [];
  const shared = {
    environment,
    timeouts,
    balancer,
    log: (line: string) => log.push(line),
    metrics,
    mutants,
  };
  const context: ProxyContext = { ...shared, deadOrigins: new DeadOrigins(shared) };
  const part = create(context);
  const api = new HttpApi(context, part.api ? [part.api] : []);
  t.after(() => {
    part.close();
    api.close();
    balancer.close();
  });
  await balancer.start();
  await part.start();
  await api.start();
  return {
    part,
    context,
    balancer,
    host,
    srtPort,
    rtcPort,
    apiPort: apiPort!,
    log,
    connections: async (protocol) => {
      const name = `liveproof_proxy_connections{protocol="${protocol}"}`;
      const line = (await metrics.text()).split('\n').find((text) => text.startsWith(name));
      return Number(line?.split(' ').at(-1) ?? 0);
    },
  };
}

/** A node as it would have registered. */
export function backendOf(node: TestNode): Backend {
  const { host, rtmpPort, httpPort, apiPort, srtPort, rtcPort } = node.config;
  const at = (port: number) => ({ host, port });
  return {
    id: `s-${rtmpPort}-1`,
    ip: host,
    server: 's',
    service: String(rtmpPort),
    pid: '1',
    rtmp: at(rtmpPort),
    http: at(httpPort),
    api: at(apiPort),
    ...(srtPort !== undefined && { srt: at(srtPort) }),
    ...(rtcPort !== undefined && { rtc: at(rtcPort) }),
  };
}

/** Origins with SRT or WebRTC, or both; each has an address of its own. */
export async function startOrigins(
  t: TestContext,
  count: number,
  kind: 'srt' | 'rtc',
  options: NodeOptions = {},
): Promise<TestNode[]> {
  const nodes = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const host = `127.0.0.${31 + index}`;
      const port = await freeUdpPort(host);
      return startNode({ host, ...(kind === 'srt' ? { srtPort: port } : { rtcPort: port }), ...options });
    }),
  );
  t.after(() => Promise.all(nodes.map((node) => node.kill())));
  return nodes;
}

export async function register(balancer: LoadBalancer, nodes: readonly TestNode[]): Promise<Backend[]> {
  const backends = nodes.map(backendOf);
  for (const backend of backends) await balancer.register(backend);
  return backends;
}

/** A bare UDP socket that keeps what it gets. */
export class Probe {
  readonly socket: Socket = createSocket('udp4');
  readonly got: Buffer[] = [];
  /** Where each came from. */
  readonly from: { address: string; port: number }[] = [];

  static async open(t: TestContext, host = '127.0.0.1', port = 0): Promise<Probe> {
    const probe = new Probe();
    probe.socket.on('message', (packet, { address, port }) => {
      probe.got.push(packet);
      probe.from.push({ address, port });
    });
    probe.socket.bind(port, host);
    await once(probe.socket, 'listening');
    t.after(() => probe.socket.close());
    return probe;
  }

  send(packet: Uint8Array, port: number, host = '127.0.0.1'): Promise<void> {
    return new Promise((resolve, reject) =>
      this.socket.send(packet, port, host, (error) => (error ? reject(error) : resolve())),
    );
  }
}
