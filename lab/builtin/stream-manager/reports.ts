/** What is posted to a stream manager, validated. */
import { z } from 'zod';
import { type Address, formatAddress, parseAddress } from './address.ts';

/** Whatever a publisher may be called: who refuses a name here refuses the publisher. */
const name = z
  .string()
  .min(1)
  .max(1024)
  .regex(/^\P{Cc}*$/u, 'has control characters');
const vhost = z.string().max(255).default('');
const id = z.string().max(128).default('');

const address = z.string().max(300);

/**
 * `POST /api/v1/streams`: streams of one origin.
 *
 * | field | what |
 * |---|---|
 * | `origin.rtmp` | where players are sent: `host:port`, or a port at the address of who reports |
 * | `origin.api` | its HTTP API in SRS's form, `host:port` or a port. With it the manager itself asks whether the origin lives and what it has. Default none: it lives by its reports |
 * | `origin.service` | changes with every start of the origin: what an earlier one had is forgotten. Default unknown |
 * | `origin.expiresMs` | without another report it is dead after this long, 100 to 3 600 000. Default the manager's `originTtl` |
 * | `streams[]` | `app`, `stream`, `vhost` (default `__defaultVhost__`), `client` (id of the publisher), `action` `publish` (default) or `unpublish`. Up to 10 000; none is a heartbeat |
 * | `complete` | these are all: whatever else was known at this origin is over. Default false |
 */
const STREAMS_REPORT = z.strictObject({
  origin: z.strictObject({
    rtmp: address,
    api: address.optional(),
    service: z.string().min(1).max(128).optional(),
    expiresMs: z.int().min(100).max(3_600_000).optional(),
  }),
  streams: z
    .array(
      z.strictObject({
        vhost,
        app: name,
        stream: name,
        client: id,
        action: z.enum(['publish', 'unpublish']).default('publish'),
      }),
    )
    .max(10_000),
  complete: z.boolean().default(false),
});

/** SRS http_hooks (facts/srs.md 10.5): fields that are not named here are of no use here. */
const HOOK = z.object({
  action: z.enum(['on_publish', 'on_unpublish']),
  service_id: z.string().min(1).max(128).optional(),
  client_id: z.string().min(1).max(128),
  vhost,
  app: name,
  stream: name,
});

/** A report that cannot be used. */
export class BadReportError extends Error {
  override readonly name = 'BadReportError';
}

export interface StreamsReport {
  readonly rtmp: Address;
  readonly api: string | undefined;
  readonly service: string | undefined;
  readonly ttlMs: number | undefined;
  readonly complete: boolean;
  readonly streams: readonly {
    readonly vhost: string;
    readonly app: string;
    readonly stream: string;
    readonly client: string;
    readonly action: 'publish' | 'unpublish';
  }[];
}

/**
 * Throws BadReportError.
 * @param peer address of who reports
 */
export function parseStreamsReport(body: string, peer: string): StreamsReport {
  const { origin, streams, complete } = parse(STREAMS_REPORT, body);
  return {
    ...addresses(origin.rtmp, origin.api, peer, 'origin.'),
    service: origin.service,
    ttlMs: origin.expiresMs,
    complete,
    streams,
  };
}

/**
 * SRS tells in its hooks neither where its RTMP nor where its API is: both are in the query of the hook's URL, as
 * `?rtmp=host:port&api=host:port`, or as ports at the address of who reports. The API is needed, because nothing else
 * could tell that this origin lives. Throws BadReportError.
 */
export function parseHook(
  body: string,
  query: ReadonlyMap<string, string>,
  action: 'on_publish' | 'on_unpublish',
  peer: string,
): StreamsReport {
  const hook = parse(HOOK, body);
  if (hook.action !== action) throw new BadReportError(`action: expected ${action}, got ${hook.action}`);
  const [rtmp, api] = [query.get('rtmp'), query.get('api')];
  if (rtmp === undefined || api === undefined) {
    throw new BadReportError("the hook's URL needs ?rtmp=host:port&api=host:port of the origin");
  }
  return {
    ...addresses(rtmp, api, peer, '?'),
    service: hook.service_id,
    ttlMs: undefined,
    complete: false,
    streams: [
      {
        vhost: hook.vhost,
        app: hook.app,
        stream: hook.stream,
        client: hook.client_id,
        action: action === 'on_publish' ? 'publish' : 'unpublish',
      },
    ],
  };
}

function addresses(rtmp: string, api: string | undefined, peer: string, at: string) {
  const where = parseAddress(rtmp, peer);
  if (where === undefined) throw new BadReportError(`${at}rtmp: no address that a player can be sent to`);
  const apiAt = api === undefined ? undefined : parseAddress(api, peer);
  if (api !== undefined && apiAt === undefined) throw new BadReportError(`${at}api: no address`);
  return { rtmp: where, api: apiAt && formatAddress(apiAt) };
}

function parse<T>(schema: z.ZodType<T>, body: string): T {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    throw new BadReportError('the body is no JSON');
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new BadReportError(`${issue?.path.join('.') || 'body'}: ${issue?.message}`);
}
