/** Header fields on their way through the proxy: all but those of a single connection (RFC 9110 section 7.6.1). */
import type { IncomingMessage } from 'node:http';
import type { Mutants } from '../mutants.ts';
import type { Endpoint } from './load-balancer.ts';

const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

type Fields = [string, string][];

/**
 * As the client sent them, in its order and letters, Host too: an origin finds the vhost by it. Added are
 * X-Forwarded-For (appended), X-Real-IP (unless given, as by a balancer in front) and Via.
 */
export function requestFields(
  request: IncomingMessage,
  about: { readonly bodiless: boolean; readonly rewritten: boolean },
  mutants: Mutants,
): Record<string, string | string[]> {
  const dropped = [
    'expect',
    'x-forwarded-for',
    'via',
    ...(about.bodiless ? ['content-length'] : []),
    // What is rewritten has to be whole, and readable.
    ...(about.rewritten ? ['range', 'if-range', 'accept-encoding'] : []),
  ];
  const address = (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '');
  const fields = mutants.has('proxy-drops-headers')
    ? endToEnd(request, []).filter(([name]) => name.toLowerCase() === 'host')
    : endToEnd(request, dropped);
  fields.push(['X-Forwarded-For', [...listOf(request, 'x-forwarded-for'), address].join(', ')]);
  if (request.headers['x-real-ip'] === undefined) fields.push(['X-Real-IP', address]);
  fields.push(['Via', [...listOf(request, 'via'), `${request.httpVersion} liveproof-proxy`].join(', ')]);
  return grouped(fields);
}

/** @param length of a body that is another than the origin's. */
export function responseFields(
  answer: IncomingMessage,
  request: IncomingMessage,
  origin: Endpoint,
  mutants: Mutants,
  length?: number,
): Record<string, string | string[]> {
  const dropped = [
    ...(length === undefined ? [] : ['content-length', 'accept-ranges']),
    ...(mutants.has('proxy-loses-content-type') ? ['content-type'] : []),
    ...(mutants.has('proxy-loses-location') ? ['location'] : []),
  ];
  const fields = endToEnd(answer, dropped).map(([name, value]): [string, string] =>
    name.toLowerCase() === 'location' ? [name, throughProxy(value, request, origin)] : [name, value],
  );
  if (length !== undefined) fields.push(['Content-Length', String(length)]);
  return grouped(fields);
}

/** A place at the origin itself is one that clients do not reach: it is at the proxy for them. Others stay. */
export function throughProxy(location: string, request: IncomingMessage, { host, port }: Endpoint): string {
  const match = /^http:\/\/([^/?#]+)(.*)$/i.exec(location);
  const here = request.headers.host;
  if (!match || !here) return location;
  const shown = host.includes(':') ? `[${host}]` : host;
  const isOrigin = match[1] === `${shown}:${port}` || (port === 80 && match[1] === shown);
  return isOrigin ? `http://${here}${match[2]}` : location;
}

function endToEnd(message: IncomingMessage, dropped: readonly string[]): Fields {
  const named = (message.headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase());
  const gone = new Set([...HOP_BY_HOP, ...named, ...dropped]);
  const { rawHeaders } = message;
  const fields: Fields = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    if (!gone.has(rawHeaders[at]!.toLowerCase())) fields.push([rawHeaders[at]!, rawHeaders[at + 1]!]);
  }
  return fields;
}

function listOf(message: IncomingMessage, name: string): string[] {
  const value = message.headers[name];
  return value === undefined ? [] : [String(value)];
}

/** As node:http takes them: a field that comes more than once is a list. */
function grouped(fields: Fields): Record<string, string | string[]> {
  const byName = new Map<string, { name: string; values: string[] }>();
  for (const [name, value] of fields) {
    const found = byName.get(name.toLowerCase());
    if (found) found.values.push(value);
    else byName.set(name.toLowerCase(), { name, values: [value] });
  }
  return Object.fromEntries(
    [...byName.values()].map(({ name, values }) => [name, values.length === 1 ? values[0]! : values]),
  );
}
