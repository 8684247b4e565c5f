/** `/api/v1/clusters`: the question of an origin that does not have a stream, and its answer (facts/srs.md 2). */
import { isIPv4 } from 'node:net';
import type { BuiltinConfig } from './config.ts';
import type { Mutants } from './mutants.ts';
import type { MediaNode } from './node.ts';
import { DEFAULT_VHOST } from './request-url.ts';
import { streamName } from './stream-name.ts';

const PATH = '/api/v1/clusters';

export interface ClusterQuery {
  readonly vhost: string;
  /** The host of the player's tcUrl. */
  readonly ip: string;
  readonly app: string;
  readonly stream: string;
}

/** Where a stream is: the RTMP listener of an origin. */
export interface OriginAddress {
  readonly ip: string;
  readonly port: number;
}

/** @param coworker `host:port` that is asked: who listens on all addresses answers with its host. */
export function clusterTarget({ vhost, ip, app, stream }: ClusterQuery, coworker: string): string {
  const query = Object.entries({ vhost, ip, app, stream, coworker });
  return `${PATH}?${query.map(([key, value]) => `${key}=${escaped(value)}`).join('&')}`;
}

/** SRS neither escapes nor unescapes; what a query may hold stays as it is (RFC 3986 section 3.4). */
function escaped(value: string): string {
  return encodeURIComponent(value).replace(/%3A|%2F|%40|%2C/g, decodeURIComponent);
}

/** The `data` of the answer: the stream is here while it is published here. */
export function clusterAnswer(node: MediaNode, query: URLSearchParams): Record<string, unknown> {
  const asked = Object.fromEntries(
    ['ip', 'vhost', 'app', 'stream'].map((key) => [key, query.get(key) ?? '']),
  ) as unknown as ClusterQuery;
  return {
    query: asked,
    origin: isHere(node, asked) ? origin(node, query.get('coworker') ?? '') : null,
  };
}

/** Mutant: what was ever found to be here. */
const everHere = new Set<string>();

function isHere({ streams, mutants }: MediaNode, { app, stream }: ClusterQuery): boolean {
  if (mutants.has('coworker-claims-everything')) return true;
  const url = streamName(app, stream)?.url;
  if (url === undefined) return false;
  const here = streams.get(url)?.publisher !== undefined;
  if (!mutants.has('coworker-claims-ended')) return here;
  if (here) everHere.add(url);
  return everHere.has(url);
}

function origin({ config, mutants }: MediaNode, coworker: string): Record<string, unknown> {
  const ip = reachable(config.host) ?? coworker.replace(/:\d+$/, '');
  const api = `${ip}:${config.apiPort}`;
  return {
    ip,
    port: mutants.has('coworker-port-as-text') ? String(config.rtmpPort) : config.rtmpPort,
    vhost: DEFAULT_VHOST,
    api,
    routers: [api],
  };
}

/** Undefined for an address that means something else to who asks. */
function reachable(host: string): string | undefined {
  return ['127.0.0.1', '0.0.0.0', '::'].includes(host) ? undefined : host;
}

/**
 * Where a coworker says that the stream is; undefined when it does not have it.
 * @throws Error when the answer is none.
 */
export function readClusterAnswer(text: string, mutants: Mutants): OriginAddress | undefined {
  const { code, data } = objectOf(JSON.parse(text));
  if (code !== 0) throw new Error(`code ${JSON.stringify(code)}`);
  const { origin } = objectOf(data);
  if (origin === null) return undefined;
  const { ip, port } = objectOf(origin);
  if (mutants.has('origin-believes-any-address') && ip && port) return { ip, port } as OriginAddress;
  if (typeof ip !== 'string' || !isHost(ip)) throw new Error(`ip ${JSON.stringify(ip)}`);
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new Error(`port ${JSON.stringify(port)}`);
  }
  return { ip, port };
}

function objectOf(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('no object');
  return value as Record<string, unknown>;
}

/** What goes into a URL that players are sent to. */
function isHost(text: string): boolean {
  return isIPv4(text) || /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i.test(text);
}

/** Whether an answer sends players to the node that asked. */
export function isOwn(config: BuiltinConfig, { ip, port }: OriginAddress): boolean {
  return port === config.rtmpPort && ip === config.host;
}
