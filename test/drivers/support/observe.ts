/** What a test wants to know of a client, as promises with a limit. */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { Client, ClientObserver, ClientState, Closed } from '../../../drivers/client.ts';
import type { MediaSink, MediaType } from '../../../protocols/media.ts';

/** Rejects when `promise` takes longer: a test that waits for ever says nothing. */
export async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves when `is` holds; for states that nobody announces. */
export async function eventually(ms: number, what: string, is: () => boolean): Promise<void> {
  const late = performance.now() + ms;
  while (!is()) {
    if (performance.now() > late) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export class Witness implements ClientObserver {
  readonly states: ClientState[] = [];
  readonly redirects: string[] = [];
  readonly ends: Closed[] = [];
  readonly #waiting: { state: ClientState; resolve: () => void }[] = [];

  onState(_client: Client, state: ClientState): void {
    this.states.push(state);
    for (const { state: wanted, resolve } of this.#waiting) if (wanted === state) resolve();
  }

  onRedirect(_client: Client, location: string): void {
    this.redirects.push(location);
  }

  onClosed(_client: Client, closed: Closed): void {
    this.ends.push(closed);
  }

  async reached(state: ClientState, ms = 3000): Promise<void> {
    if (this.states.includes(state)) return;
    const seen = new Promise<void>((resolve) => this.#waiting.push({ state, resolve }));
    await within(ms, `${state}; seen ${this.states.join(', ')} ${JSON.stringify(this.ends)}`, seen);
  }

  async closed(ms = 3000): Promise<Closed> {
    await this.reached('closed', ms);
    return this.ends[0]!;
  }
}

/** Counts whole items per type. */
export class CountingSink implements MediaSink {
  readonly counts: Record<MediaType, number> = { 8: 0, 9: 0, 18: 0 };
  bytes = 0;
  #target = Number.POSITIVE_INFINITY;
  #reached: () => void = () => {};

  begin(): void {}

  data(_type: MediaType, _bytes: Uint8Array, start: number, end: number): void {
    this.bytes += end - start;
  }

  end(type: MediaType): void {
    this.counts[type]++;
    if (this.counts[9] >= this.#target) this.#reached();
  }

  async videoFrames(count: number, ms = 5000): Promise<void> {
    if (this.counts[9] >= count) return;
    this.#target = count;
    await within(
      ms,
      `${count} video tags`,
      new Promise<void>((resolve) => {
        this.#reached = resolve;
      }),
    );
  }
}

export interface Scripted {
  readonly port: number;
  readonly connections: number;
  /** Connections that are there now. */
  readonly open: number;
  close(): Promise<void>;
}

/** A server that does what the script says with each connection. */
export async function scripted(script: (socket: Socket, connection: number) => void): Promise<Scripted> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
    script(socket, ++connections);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    get connections() {
      return connections;
    },
    get open() {
      return sockets.size;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
