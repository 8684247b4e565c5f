/** The connections of one client: as many as it has requests at a time, and each is kept for the next request. */
import type { ByteTape } from '../client.ts';
import { HttpConnection, type HttpHandler, type HttpTarget, type HttpTimeouts } from './connection.ts';

export class HttpPool {
  private readonly limit: number;
  private readonly localAddress: string | undefined;
  private readonly tape: ByteTape | undefined;
  private readonly connections: HttpConnection[] = [];
  private paused = false;

  /** @param limit connections, and so requests at a time. */
  constructor(limit: number, localAddress?: string, tape?: ByteTape) {
    this.limit = limit;
    this.localAddress = localAddress;
    this.tape = tape;
  }

  get bytesIn(): number {
    let bytes = 0;
    for (const connection of this.connections) bytes += connection.bytesIn;
    return bytes;
  }

  /** Throws when more requests are under way than the limit: the owner's mistake. Returns what can be aborted. */
  send(
    target: HttpTarget,
    request: Uint8Array,
    handler: HttpHandler,
    timeouts: HttpTimeouts,
  ): HttpConnection {
    const connection = this.choose(target.origin);
    connection.send(target, request, handler, timeouts);
    return connection;
  }

  private choose(origin: string): HttpConnection {
    let closed: HttpConnection | undefined;
    let elsewhere: HttpConnection | undefined;
    for (const connection of this.connections) {
      if (connection.busy) continue;
      if (connection.reaches(origin)) return connection;
      if (connection.unused) closed = connection;
      else elsewhere = connection;
    }
    if (closed !== undefined) return closed;
    if (this.connections.length < this.limit) {
      const connection = new HttpConnection(this.localAddress, this.tape);
      if (this.paused) connection.pause();
      this.connections.push(connection);
      return connection;
    }
    if (elsewhere === undefined) throw new Error(`more than ${this.limit} requests at a time`);
    return elsewhere;
  }

  pause(): void {
    this.paused = true;
    for (const connection of this.connections) connection.pause();
  }

  resume(): void {
    this.paused = false;
    for (const connection of this.connections) connection.resume();
  }

  close(orderly = false): void {
    for (const connection of this.connections) connection.abort(orderly);
  }
}
