/**
 * What proxies on one Redis tell each other of WebRTC sessions (facts/srs.md 4.3): who gets the media of a session, or
 * the DELETE of it, need not be the one who passed its answer on.
 */
import type { Backend, LoadBalancer } from './load-balancer.ts';
import type { RtcSession, RtcSessionFields } from './rtc-session.ts';

/** By then whatever is under way has come; afterwards the key itself is gone. */
const FORGET_MS = 1000;

const mediaKey = (username: string): string => `rtc:${username}`;
const locationKey = (location: string): string => `whip:${location}`;

/** A state that is gone is no reason to end anything: this proxy knows its own sessions. */
async function quietly<T>(action: Promise<T>): Promise<T | undefined> {
  try {
    return await action;
  } catch {
    return undefined;
  }
}

export class SharedSessions {
  readonly #balancer: LoadBalancer;
  readonly #ttlMs: number;

  constructor(balancer: LoadBalancer, ttlMs: number) {
    this.#balancer = balancer;
    this.#ttlMs = ttlMs;
  }

  /** Resolves when it is told, or cannot be. */
  async tell({ username, pwd, streamUrl, backend, location }: RtcSession): Promise<void> {
    const media = JSON.stringify({ backend: backend.id, streamUrl, pwd, location });
    await Promise.all([
      quietly(this.#balancer.put(mediaKey(username), media, this.#ttlMs)),
      location !== undefined && quietly(this.#balancer.put(locationKey(location), backend.id, this.#ttlMs)),
    ]);
  }

  async forget({ username, location }: RtcSession): Promise<void> {
    await Promise.all([
      quietly(this.#balancer.put(mediaKey(username), '', FORGET_MS)),
      location !== undefined && quietly(this.#balancer.put(locationKey(location), '', FORGET_MS)),
    ]);
  }

  /** Undefined when nobody told of it, or its origin is dead. */
  async find(username: string): Promise<RtcSessionFields | undefined> {
    const told = parse(await quietly(this.#balancer.get(mediaKey(username))));
    const { backend: id, streamUrl, pwd, location } = told;
    if (typeof id !== 'string' || typeof streamUrl !== 'string' || typeof pwd !== 'string') return undefined;
    const backend = await this.#backend(id);
    const known = typeof location === 'string' ? location : undefined;
    return backend && { username, pwd, backend, streamUrl, location: known };
  }

  async originOf(location: string): Promise<Backend | undefined> {
    const id = await quietly(this.#balancer.get(locationKey(location)));
    return id ? this.#backend(id) : undefined;
  }

  async #backend(id: string): Promise<Backend | undefined> {
    const backends = await quietly(this.#balancer.backends());
    return backends?.find((backend) => backend.id === id);
  }
}

function parse(text: string | undefined): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text || '{}');
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
