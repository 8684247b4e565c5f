/** Stream managers as processes, and origins of which only the HTTP API is there. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import type { StreamManagerConfig } from '../../../../lab/builtin/stream-manager/config.ts';
import { startArgs } from '../../../../runtime/entry.ts';
import { freePort } from '../../../support/ports.ts';

export class TestManager {
  readonly url: string;
  readonly #config: StreamManagerConfig;
  #child: ChildProcess | undefined;

  private constructor(config: StreamManagerConfig) {
    this.#config = config;
    this.url = `http://${config.host}:${config.apiPort}`;
  }

  static async start(config: Partial<StreamManagerConfig> = {}): Promise<TestManager> {
    const manager = new TestManager({
      name: 'manager',
      host: '127.0.0.1',
      apiPort: await freePort(),
      mutants: [],
      ...config,
    });
    await manager.start();
    return manager;
  }

  async start(): Promise<void> {
    const child = spawn(
      process.execPath,
      [...startArgs('lab/builtin/stream-manager/main.ts'), JSON.stringify(this.#config)],
      {
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    );
    this.#child = child;
    for await (const line of createInterface({ input: child.stdout })) if (line.startsWith('ready ')) break;
    child.stdout.resume();
  }

  async kill(): Promise<void> {
    await endChild(this.#child);
  }

  /** HTTP status and body. */
  async post(path: string, body: unknown): Promise<{ status: number; body: Record<string, unknown> }> {
    const answer = await fetch(this.url + path, {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  }

  async get(path: string): Promise<Record<string, unknown>> {
    return (await (await fetch(this.url + path)).json()) as Record<string, unknown>;
  }

  /** The origin in the answer to an SRS origin. */
  async where(stream: string, ip = '127.0.0.9'): Promise<Record<string, unknown> | null> {
    const query = `vhost=__defaultVhost__&ip=${ip}&app=live&stream=${stream}&coworker=h:1`;
    const { data } = (await this.post(`/api/v1/clusters?${query}`, '')).body as {
      data: { origin: Record<string, unknown> | null };
    };
    return data.origin;
  }

  /** `ip:port`, or null. */
  async place(stream: string, ip?: string): Promise<string | null> {
    const origin = await this.where(stream, ip);
    return origin && `${origin.ip}:${origin.port}`;
  }

  publish(origin: object, ...streams: string[]) {
    return this.post('/api/v1/streams', {
      origin,
      streams: streams.map((stream) => ({ app: 'live', stream })),
    });
  }

  async untilPlace(stream: string, place: string | null, withinMs = 5000): Promise<void> {
    await until(`${stream} at ${place}`, withinMs, async () => (await this.place(stream)) === place);
  }
}

export async function until(what: string, withinMs: number, holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export async function endChild(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** Answers versions and streams as SRS does. */
export class TestOrigin {
  service = 'service-1';
  /** Names of what is published. */
  streams: string[] = [];
  /** Answers nothing any more. */
  frozen = false;
  asked = 0;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.asked++;
      if (this.frozen) return;
      const streams = request.url?.startsWith('/api/v1/streams') ? { streams: this.#list() } : {};
      response.end(JSON.stringify({ code: 0, server: 's', service: this.service, pid: '1', ...streams }));
    });
  }

  static async start(): Promise<TestOrigin> {
    const origin = new TestOrigin();
    origin.#server.listen(0, '127.0.0.1');
    await once(origin.#server, 'listening');
    return origin;
  }

  /** As reports tell it. */
  get address(): { rtmp: string; api: string } {
    return { rtmp: '10.0.0.9:1935', api: `127.0.0.1:${(this.#server.address() as AddressInfo).port}` };
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #list() {
    return this.streams.map((name) => ({
      name,
      app: 'live',
      url: `/live/${name}`,
      publish: { active: true, cid: `client-of-${name}` },
    }));
  }
}
