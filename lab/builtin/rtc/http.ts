/**
 * HTTP of WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep), on the paths of SRS (facts/srs.md 9.1):
 * POST /rtc/v1/whip/?app=&stream= and /rtc/v1/whep/?app=&stream=, DELETE of what Location names. Other than SRS it says
 * why it refuses, and answers 404 where SRS closes the connection.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { SDP_LIMITS } from '../../../protocols/sdp/description.ts';
import { SERVER_NAME } from '../constants.ts';
import type { MediaNode } from '../node.ts';
import { streamName } from '../stream-name.ts';
import { OfferError, type RtcUse } from './negotiate.ts';
import { type RtcServer, SessionError } from './server.ts';

const SDP_TYPE = 'application/sdp';
const USES: Readonly<Record<string, RtcUse>> = { whip: 'publish', whep: 'play', 'whip-play': 'play' };
/** SRS's, when the query does not say. */
const DEFAULT_APP = 'live';
const DEFAULT_STREAM = 'livestream';
/** Nothing is trickled, so there is no PATCH (RFC 9725 section 4.3.1). */
const METHODS = 'GET, HEAD, POST, DELETE, OPTIONS';
/** What is read of an offer that is too long, so that its sender gets to read the answer. */
const MAX_DRAINED = 16 * 1024 * 1024;

interface Exchange {
  readonly node: MediaNode;
  readonly rtc: RtcServer;
  readonly query: URLSearchParams;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** False when the path is another's. */
export function serveRtc(
  node: MediaNode,
  rtc: RtcServer,
  path: string,
  query: URLSearchParams,
  request: IncomingMessage,
  response: ServerResponse,
): boolean {
  const match = /^\/rtc\/v1\/(whip|whep|whip-play)\/?$/.exec(path);
  if (!match) return false;
  const exchange: Exchange = { node, rtc, query, request, response };
  request.on('error', () => response.destroy());
  switch (request.method) {
    case 'POST':
      post(exchange, match[1]!).catch((error: unknown) => {
        // The client has gone in the middle of its offer.
        if (!request.complete) return;
        node.log(`rtc: ${error instanceof Error ? error.stack : error}`);
        refuse(exchange, 500, 'internal error');
      });
      break;
    case 'DELETE':
      request.resume();
      remove(exchange);
      break;
    case 'GET':
    case 'HEAD':
      request.resume();
      show(exchange);
      break;
    case 'OPTIONS':
      request.resume();
      // What a client may look for before it posts (RFC 9725 section 4.2).
      respond(exchange, 204, { 'Accept-Post': SDP_TYPE, Allow: METHODS });
      break;
    default:
      request.resume();
      refuseMethod(exchange);
  }
  return true;
}

function refuseMethod(exchange: Exchange): void {
  refuse(exchange, 405, `${exchange.request.method} is not one of ${METHODS}`, { Allow: METHODS });
}

/** Neither endpoint nor session has a representation (RFC 9725 section 4.1; draft-ietf-wish-whep section 4.1). */
function show(exchange: Exchange): void {
  const { node, rtc, query } = exchange;
  const [session, token] = [query.get('session'), query.get('token')];
  if (node.mutants.has('whep-get-refused')) refuseMethod(exchange);
  else if (session !== null && !rtc.find(session, token ?? '')) refuse(exchange, 404, 'no such session');
  else respond(exchange, 204, {});
}

async function post(exchange: Exchange, kind: string): Promise<void> {
  const { node, rtc, query, request } = exchange;
  const offer = await readBody(request);
  const type = (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
  if (type !== SDP_TYPE)
    return refuse(exchange, 415, `Content-Type ${JSON.stringify(type)}, not ${SDP_TYPE}`);
  if (offer === undefined) {
    return refuse(exchange, 413, `an offer of more than ${SDP_LIMITS.maxLength} bytes`);
  }
  const app = query.get('app') ?? DEFAULT_APP;
  const stream = query.get('stream') ?? DEFAULT_STREAM;
  const name = streamName(app, stream);
  if (!name) return refuse(exchange, 400, 'no app or no stream');
  const use = USES[kind]!;
  try {
    const ip = request.socket.remoteAddress ?? '';
    const { session, answer } = await rtc.create({ use, name, offer, ip });
    const location = `/rtc/v1/${kind}/?${new URLSearchParams({
      action: 'delete',
      token: session.token,
      app,
      stream,
      session: session.id,
    })}`;
    created(exchange, location, answer);
  } catch (error) {
    if (!(error instanceof OfferError) && !(error instanceof SessionError)) throw error;
    const garbage = error instanceof OfferError && node.mutants.has('whep-accepts-garbage');
    if (garbage) created(exchange, `/rtc/v1/${kind}/?action=delete`, offer);
    else refuse(exchange, error.status, error.message);
  }
}

function created(exchange: Exchange, location: string, answer: string): void {
  const { mutants } = exchange.node;
  respond(
    exchange,
    mutants.has('whep-status-200') ? 200 : 201,
    {
      'Content-Type': mutants.has('whep-wrong-content-type') ? 'text/plain' : SDP_TYPE,
      ...(!mutants.has('whep-no-location') && { Location: location }),
    },
    answer,
  );
}

function remove(exchange: Exchange): void {
  const { node, rtc, query } = exchange;
  const session = rtc.find(query.get('session') ?? '', query.get('token') ?? '');
  if (!session) {
    refuse(exchange, 404, 'no such session');
    return;
  }
  if (!node.mutants.has('whep-no-delete')) session.close('DELETE');
  respond(exchange, 200, {});
}

/** Undefined when it is longer than a description may be. */
function readBody(request: IncomingMessage): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    request.on('data', (part: Buffer) => {
      size += part.length;
      if (size <= SDP_LIMITS.maxLength) parts.push(part);
      else {
        parts.length = 0;
        if (size > MAX_DRAINED) resolve(undefined);
      }
    });
    request.once('end', () =>
      resolve(size > SDP_LIMITS.maxLength ? undefined : Buffer.concat(parts).toString()),
    );
    request.once('error', reject);
  });
}

function refuse(
  exchange: Exchange,
  status: number,
  reason: string,
  headers: Record<string, string> = {},
): void {
  exchange.node.log(`rtc: ${status} to ${exchange.request.method}: ${reason}`);
  respond(exchange, status, { 'Content-Type': 'text/plain; charset=utf-8', ...headers }, `${reason}\n`);
}

function respond(
  { node, request, response }: Exchange,
  status: number,
  headers: Record<string, string>,
  body = '',
): void {
  if (response.headersSent || response.destroyed) return;
  const origin = node.mutants.has('whep-no-cors') ? {} : corsOf(request);
  response.writeHead(status, {
    Server: SERVER_NAME,
    Connection: 'Close',
    ...origin,
    ...headers,
    ...(status !== 204 && { 'Content-Length': Buffer.byteLength(body) }),
  });
  response.end(body);
}

/** Any page may play and publish, as with SRS (`crossdomain on`), and read where its session is. */
function corsOf(request: IncomingMessage): Record<string, string> {
  const asked = request.headers['access-control-request-headers'];
  return {
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Expose-Headers': 'Location',
    ...(request.method === 'OPTIONS' && {
      'Access-Control-Allow-Methods': METHODS,
      // `*` would not stand for Authorization (Fetch section 3.3.4).
      'Access-Control-Allow-Headers': asked ?? 'Content-Type, Authorization',
      'Access-Control-Max-Age': '86400',
    }),
  };
}
