/** Which origin has, or gets, a stream: what every protocol of the proxy asks. Implemented in memory and on Redis. */
import { isIPv4 } from 'node:net';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** An origin as it registered: one life of one process (seeds/001, Register). */
export interface Backend {
  /** `server-service-pid`: an origin that was restarted is another one (facts/srs.md 4.3). */
  readonly id: string;
  readonly ip: string;
  readonly server: string;
  readonly service: string;
  readonly pid: string;
  readonly deviceId?: string;
  readonly rtmp: Endpoint;
  readonly http?: Endpoint;
  readonly api?: Endpoint;
  readonly srt?: Endpoint;
  readonly rtc?: Endpoint;
}

export type PickProtocol = 'rtmp' | 'http' | 'srt' | 'webrtc';

export interface PickOptions {
  /** Who asks. The answer is the same for all; only a mutant looks at it. */
  readonly protocol: PickProtocol;
  /**
   * A publisher could not reach the origin that was picked before: another one is picked, for everybody. Whoever only
   * plays does not ask for that: the way from this proxy may be broken while the origin has the stream.
   */
  readonly instead?: Backend;
}

export interface LoadBalancer {
  /** Resolves when it can be asked. A Redis that is not there (yet) does not reject: picks are refused until it is. */
  start(): Promise<void>;
  /** A heartbeat. An origin that was known at the same RTMP endpoint under another id is dead from now on. */
  register(backend: Backend): Promise<void>;
  /**
   * The origin of a stream: the one that was picked before while it is alive, else one that is picked now, for all
   * proxies that share the state.
   * @throws Refusal
   */
  pick(streamUrl: string, options: PickOptions): Promise<Backend>;
  /** The origin that was picked, while it is alive; nothing is picked. Undefined, too, when the state is gone. */
  peek(streamUrl: string): Promise<Backend | undefined>;
  /**
   * Somebody is being served: the pick is kept however long it takes. Idempotent function to end that. Picks that
   * nobody holds are forgotten `stickyMs` after the last one who asked.
   */
  hold(streamUrl: string, backend: Backend): () => void;
  /** The origins that are alive. @throws Refusal when the state is gone and nothing was known before. */
  backends(): Promise<readonly Backend[]>;
  /**
   * Small state that proxies share, such as which origin has a WebRTC session: kept for `ttlMs`.
   * @throws Refusal when the state is gone.
   */
  put(key: string, value: string, ttlMs: number): Promise<void>;
  /** @throws Refusal when the state is gone. */
  get(key: string): Promise<string | undefined>;
  close(): void;
}

export const RefusalCode = {
  /** No origin is alive. */
  NoOrigin: 'proxy.no-origin',
  /** The origin that has the stream does not speak this protocol. */
  NoEndpoint: 'proxy.no-endpoint',
  /** Redis does not answer, and nothing is known of this stream. */
  NoState: 'proxy.no-state',
  /** More streams than the proxy keeps. */
  TooMany: 'proxy.too-many-streams',
} as const;
export type RefusalCode = (typeof RefusalCode)[keyof typeof RefusalCode];

/** Why a client is not served. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: RefusalCode;

  constructor(code: RefusalCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** Longest stream URL that is looked up, in characters. */
const MAX_STREAM_URL = 1024;
export const DEFAULT_VHOST = '__defaultVhost__';

export interface StreamNames {
  /** Where the client connected to: name or address, without port. */
  readonly host?: string;
  /** What it asked for by name (`vhost=` in a query, `h=` of a stream id); goes before `host`. */
  readonly vhost?: string;
  readonly app: string;
  /** Without query; an extension is taken off (facts/srs.md 3.6). Percent-encoding is the same as none. */
  readonly stream: string;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
const CONTROL = /[\x00-\x1f\x7f]/;

/**
 * The name of a stream in all protocols: `vhost/app/stream`. A host without a dot, and an address, is the default vhost
 * (facts/srs.md 4.3). Undefined when app or stream is missing, or it is too long.
 */
export function streamUrlOf({ host, vhost, app, stream }: StreamNames): string | undefined {
  const plainApp = decoded(app).replace(/^\/+|\/+$/g, '');
  const plainStream = decoded(stream)
    .replace(/^\/+/, '')
    .replace(/\.[^./]*$/, '');
  if (plainApp === '' || plainStream === '' || CONTROL.test(plainApp + plainStream)) return undefined;
  const url = `${vhostOf(vhost || host || '')}/${plainApp}/${plainStream}`;
  return url.length > MAX_STREAM_URL ? undefined : url;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function vhostOf(name: string): string {
  return name.includes('.') && !name.includes(':') && !isIPv4(name) ? name.toLowerCase() : DEFAULT_VHOST;
}
