/** The RTMP port of the proxy. */
import { createServer, type Server } from 'node:net';
import type { ProxyContext, ProxyPart } from './context.ts';
import { listen } from './http-answer.ts';
import { RtmpSession } from './rtmp-session.ts';

/** Bytes that wait for a client, or an origin, who does not take them, before the other side is not read any more. */
const HIGH_WATER = 256 * 1024;
/** What a proxy that grows leaves behind of each connection. */
const LEFT_BEHIND = 32 * 1024;

export class RtmpServer implements ProxyPart {
  readonly #context: ProxyContext;
  readonly #server: Server;
  readonly #sessions = new Set<RtmpSession>();
  readonly #leftBehind: Buffer[] = [];

  constructor(context: ProxyContext) {
    this.#context = context;
    this.#server = createServer({ noDelay: true, highWaterMark: HIGH_WATER }, (socket) => {
      const gone = context.metrics.connected('rtmp');
      const session = new RtmpSession(context, socket, () => {
        this.#sessions.delete(session);
        gone();
      });
      this.#sessions.add(session);
      if (context.mutants.has('proxy-grows')) this.#leftBehind.push(Buffer.alloc(LEFT_BEHIND, 1));
    });
  }

  async start(): Promise<void> {
    await listen(this.#server, this.#context.environment.rtmp);
  }

  drop(reason: string): void {
    for (const session of [...this.#sessions]) session.close(reason);
  }

  close(): void {
    this.#server.close();
    this.drop('the proxy ends');
  }
}
