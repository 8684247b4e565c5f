/** Whole proxies in this process, origins that say what they are asked, and a Redis of the test's own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, createServer as createTcpServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import type { BuiltinConfig } from '../../../../lab/builtin/config.ts';
import type { MutantId } from '../../../../lab/builtin/mutants.ts';
import { MediaNode } from '../../../../lab/builtin/node.ts';
import { readEnvironment } from '../../../../lab/builtin/proxy/environment.ts';
import { ProxyServer } from '../../../../lab/builtin/proxy/proxy-server.ts';
import { RtmpClient } from '../../../../lab/builtin/proxy/rtmp-client.ts';
import type { ProxyTimeouts } from '../../../../lab/builtin/proxy/timeouts.ts';
import { ChunkReader } from '../../../../protocols/rtmp/chunk-reader.ts';
import { type Command, decodeCommand } from '../../../../protocols/rtmp/commands.ts';
import { MessageAssembler } from '../../../../protocols/rtmp/message-assembler.ts';
import { freePort, freePorts, freeUdpPort } from '../../../support/ports.ts';
import { eventually, type RtmpPeer, type TestNode } from '../support.ts';

export interface ProxyOptions {
  readonly mutants?: readonly MutantId[];
  readonly timeouts?: Partial<ProxyTimeouts>;
  readonly environment?: Readonly<Record<string, string>>;
}

export interface TestProxy {
  /** What the peers of ../support.ts connect to. */
  readonly node: TestNode;
  readonly host: string;
  readonly rtmp: number;
  /** Scheme and authority. */
  readonly http: string;
  readonly api: string;
  readonly system: string;
  readonly log: string[];
  register(body: unknown): Promise<{ status: number; body: Record<string, unknown> }>;
  /** A sample of /metrics by its whole name, 0 when it is not there. */
  metric(sample: string): Promise<number>;
  close(): void;
}

export async function startProxy(t: TestContext, options: ProxyOptions = {}): Promise<TestProxy> {
  const host = '127.0.0.1';
  const [rtmp, http, api, system] = await freePorts(host, 4);
  const [srt, webrtc] = [await freeUdpPort(), await freeUdpPort()];
  const log: string[] = [];
  const proxy = new ProxyServer(
    readEnvironment({
      PROXY_RTMP_SERVER: String(rtmp),
      PROXY_HTTP_SERVER: String(http),
      PROXY_HTTP_API: String(api),
      PROXY_SYSTEM_API: String(system),
      PROXY_SRT_SERVER: String(srt),
      PROXY_WEBRTC_SERVER: String(webrtc),
      PROXY_LOAD_BALANCER_TYPE: 'memory',
      PROXY_TIMEOUTS: JSON.stringify(options.timeouts ?? {}),
      PROXY_MUTANTS: (options.mutants ?? []).join(','),
      ...options.environment,
    }),
    (line) => log.push(line),
  );
  t.after(() => proxy.close());
  await proxy.start();
  const url = (port: number | undefined): string => `http://${host}:${port}`;
  return {
    node: { config: { host, rtmpPort: rtmp, httpPort: http, apiPort: api } } as TestNode,
    host,
    rtmp: rtmp!,
    http: url(http),
    api: url(api),
    system: url(system),
    log,
    register: async (body) => {
      const answer = await fetch(`${url(system)}/api/v1/srs/register`, {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
      });
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
    },
    metric: async (sample) => {
      const lines = (await (await fetch(`${url(api)}/metrics`)).text()).split('\n');
      const line = lines.find((one) => one.startsWith(`${sample} `));
      return line === undefined ? 0 : Number(line.slice(sample.length + 1));
    },
    close: () => proxy.close(),
  };
}

/** What a good origin registers, with its endpoints. */
export function registration(
  name: string,
  fields: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  return {
    device_id: name,
    ip: '127.0.0.1',
    server: `vid-${name}`,
    service: 'first',
    pid: '1',
    rtmp: ['1935'],
    ...fields,
  };
}

/** Builtin origins in this process, which is quicker than one each, registered in this order. */
export async function startOrigins(
  t: TestContext,
  proxies: readonly TestProxy[],
  count: number,
): Promise<TestNode[]> {
  const origins: TestNode[] = [];
  for (let index = 0; index < count; index++) {
    const origin = await startOrigin(t);
    origins.push(origin);
    for (const proxy of proxies) await proxy.register(registrationOf(origin, `origin-${index + 1}`));
  }
  return origins;
}

export async function startOrigin(t: TestContext, options: Partial<BuiltinConfig> = {}): Promise<TestNode> {
  const host = '127.0.0.1';
  const [rtmpPort, httpPort, apiPort] = await freePorts(host, 3);
  const config: BuiltinConfig = {
    role: 'origin',
    name: 'origin',
    host,
    rtmpPort: rtmpPort!,
    httpPort: httpPort!,
    apiPort: apiPort!,
    origins: [],
    settings: {
      mergedWriteMs: 100,
      queueSeconds: 30,
      gopCache: true,
      hls: { fragmentSeconds: 10, windowSeconds: 60, sessions: true },
      maxConnections: 1000,
    },
    mutants: [],
    ...options,
  };
  const node = new MediaNode(config, () => {});
  await node.start();
  t.after(() => node.close());
  const api: TestNode['api'] = async (path, method = 'GET') => {
    const answer = await fetch(`http://${host}:${apiPort}${path}`, { method });
    return (await answer.json()) as Record<string, unknown>;
  };
  return { config, api, kill: async () => node.close() } as TestNode;
}

export function registrationOf({ config }: TestNode, name: string): Record<string, unknown> {
  return registration(name, {
    rtmp: [String(config.rtmpPort)],
    http: [`tcp://${config.host}:${config.httpPort}`],
    api: [`tcp://:${config.apiPort}`],
  });
}

export interface HttpOrigin {
  readonly port: number;
  readonly requests: IncomingMessage[];
  /** Connections that are open. */
  open(): number;
}

/** An origin that is only there over HTTP. */
export async function httpOrigin(
  t: TestContext,
  serve: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<HttpOrigin> {
  const port = await freePort();
  const requests: IncomingMessage[] = [];
  let open = 0;
  const server = createServer((request, response) => {
    requests.push(request);
    serve(request, response);
  });
  server.on('connection', (socket) => {
    open++;
    socket.on('close', () => open--);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { port, requests, open: () => open };
}

export interface TestRedis {
  readonly port: number;
  readonly password: string;
  readonly environment: Readonly<Record<string, string>>;
  stop(): Promise<void>;
  /** Empty, on the same port. */
  start(): Promise<void>;
  /** Answers of redis-cli, as it prints them. */
  cli(...args: string[]): Promise<string>;
  freeze(): void;
  thaw(): void;
}

export async function startRedis(t: TestContext): Promise<TestRedis> {
  const port = await freePort();
  const password = 'not-to-be-seen';
  let child: ChildProcess | undefined;
  const stop = async (): Promise<void> => {
    const running = child;
    child = undefined;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    running.kill('SIGKILL');
    await once(running, 'exit');
  };
  const start = async (): Promise<void> => {
    const options = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    child = spawn('redis-server', [...options, '--requirepass', password], { stdio: 'ignore', cwd: '/' });
    await eventually('Redis listens', () => answers(port));
  };
  t.after(stop);
  await start();
  return {
    port,
    password,
    environment: {
      PROXY_LOAD_BALANCER_TYPE: 'redis',
      PROXY_REDIS_PORT: String(port),
      PROXY_REDIS_PASSWORD: password,
    },
    stop,
    start,
    cli: async (...args) => {
      const cli = spawn('redis-cli', ['-p', String(port), '-a', password, '--no-auth-warning', ...args]);
      let text = '';
      cli.stdout.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      await once(cli, 'close');
      return text.trim();
    },
    freeze: () => child!.kill('SIGSTOP'),
    thaw: () => child!.kill('SIGCONT'),
  };
}

async function answers(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** A proxy in memory, and one builtin origin. */
export async function withOrigin(
  t: TestContext,
  mutants: readonly MutantId[] = [],
): Promise<{ proxy: TestProxy; origin: TestNode }> {
  const proxy = await startProxy(t, { mutants, timeouts: { reply: 600 } });
  const [origin] = await startOrigins(t, [proxy], 1);
  return { proxy, origin: origin! };
}

/** An origin that accepts connections, and says nothing. */
export async function silentOrigin(t: TestContext, proxy: TestProxy): Promise<void> {
  const port = await freePort();
  const sockets: Socket[] = [];
  const server = createTcpServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const endpoint = [String(port)];
  await proxy.register(registration('silent', { rtmp: endpoint, http: endpoint, api: endpoint }));
}

/** Listens with room for two connections, and stops: who comes when that is taken gets no answer, as from a host that is gone. */
const FULL_LISTENER = `const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
  process.stdout.write(String(server.address().port), () => process.kill(process.pid, 'SIGSTOP'));
})`;
/** More than have room. */
const FILLERS = 4;

/** An origin that nobody can connect to, and that refuses nobody. */
export async function vanishedOrigin(t: TestContext, proxy: TestProxy): Promise<void> {
  const listener = spawn(process.execPath, ['-e', FULL_LISTENER], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = Number(String((await once(listener.stdout, 'data'))[0]));
  const fillers = Array.from({ length: FILLERS }, () => connect(port, '127.0.0.1').on('error', () => {}));
  t.after(() => {
    for (const filler of fillers) filler.destroy();
    listener.kill('SIGKILL');
  });
  await once(fillers[0]!, 'connect');
  const endpoint = [String(port)];
  await proxy.register(registration('vanished', { rtmp: endpoint, http: endpoint, api: endpoint }));
}

/** The information of the first onStatus of that level. */
export function statusOf(peer: RtmpPeer, level: string): Record<string, unknown> | undefined {
  return peer.commands
    .filter(({ name }) => name === 'onStatus')
    .map(({ args }) => args[0] as Record<string, unknown> | undefined)
    .find((information) => information?.level === level);
}

export interface Told {
  readonly connect: Command;
  /** play or publish. */
  readonly request: Command;
  readonly commands: readonly string[];
}

/** An origin that answers up to play or publish, and resolves with what it was told. */
export async function recordingOrigin(t: TestContext, proxy: TestProxy): Promise<{ told: Promise<Told> }> {
  const port = await freePort();
  const server = createTcpServer();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  await proxy.register(registration('recording', { rtmp: [String(port)] }));
  const told = new Promise<Told>((resolve) => {
    server.on('connection', (socket) => {
      t.after(() => socket.destroy());
      const client = new RtmpClient(socket, (request) =>
        resolve({
          connect: client.connectCommand,
          request,
          commands: client.commands.map(({ payload }) => decodeCommand(payload).name),
        }),
      );
      const reader = new ChunkReader(new MessageAssembler((message) => client.onMessage(message)));
      socket.on('data', (bytes) => {
        const start = client.shaken ? 0 : client.shakeHands(bytes);
        if (start < bytes.length) reader.push(bytes, start, bytes.length);
      });
      socket.on('error', () => {});
    });
  });
  return { told };
}
