/** What an origin says when it registers (seeds/001, Register): read and judged. */
import { isIP } from 'node:net';
import { z } from 'zod';
import type { Mutants } from '../mutants.ts';
import type { Backend, Endpoint } from './load-balancer.ts';

/** Of one text, and of one list of endpoints. */
const MAX_TEXT = 256;
const MAX_ENDPOINTS = 16;

export class RegistrationError extends Error {
  override readonly name = 'RegistrationError';
  /** The field that it is about; none when the document is no JSON object. */
  readonly field: string | undefined;

  constructor(field: string | undefined, message: string) {
    super(message);
    this.field = field;
  }
}

const printable = /^[^\p{Cc}]+$/u;
const text = z.string().min(1, 'is empty').max(MAX_TEXT, 'is too long').regex(printable, 'is not printable');
/** SRS sends texts; a number says the same. */
const textOrNumber = z.union([text, z.number().int().nonnegative().transform(String)]);
const endpoints = z
  .array(textOrNumber, 'is not a list of endpoints')
  .max(MAX_ENDPOINTS, `has more than ${MAX_ENDPOINTS} endpoints`);
const host = text.refine((ip) => isIP(ip) !== 0 || /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/.test(ip), {
  message: 'is neither an address nor a host name',
});

const form = z.object({
  ip: host,
  server: text,
  service: text,
  pid: textOrNumber,
  rtmp: endpoints.min(1, 'is empty'),
  http: endpoints.optional(),
  api: endpoints.optional(),
  srt: endpoints.optional(),
  rtc: endpoints.optional(),
  device_id: z.union([text, z.literal('')]).optional(),
});

/** @throws RegistrationError that names the field, and what is wrong with it. */
export function readRegistration(body: string, mutants: Mutants): Backend {
  let document: unknown;
  try {
    document = JSON.parse(body);
  } catch {
    throw new RegistrationError(undefined, 'the body is not JSON');
  }
  const read = form.safeParse(document);
  if (!read.success) {
    const { path, message } = read.error.issues[0]!;
    const field = path[0] === undefined ? undefined : String(path[0]);
    if (field === undefined) throw new RegistrationError(undefined, 'the body is not a JSON object');
    const missing = !Object.hasOwn(document as object, field);
    throw new RegistrationError(field, `${field} ${missing ? 'is missing' : message}`);
  }
  return backendOf(read.data, mutants);
}

/** The lists hold endpoints as they were registered. */
export interface Registration {
  readonly ip: string;
  readonly server: string;
  readonly service: string;
  readonly pid: string;
  readonly rtmp: readonly string[];
  readonly http?: readonly string[] | undefined;
  readonly api?: readonly string[] | undefined;
  readonly srt?: readonly string[] | undefined;
  readonly rtc?: readonly string[] | undefined;
  readonly device_id?: string | undefined;
}

/** @throws RegistrationError when an endpoint is none. */
export function backendOf(registration: Registration, mutants: Mutants): Backend {
  const { ip, server, service, pid, device_id: deviceId, rtmp, http, api, srt, rtc } = registration;
  const at = (
    field: string,
    list: readonly string[] | undefined,
    transport: Transport,
  ): Endpoint | undefined => firstEndpoint(field, list ?? [], transport, ip, mutants);
  const tcp = at('rtmp', rtmp, 'tcp');
  if (!tcp) throw new RegistrationError('rtmp', 'rtmp has no TCP endpoint');
  const others = {
    http: at('http', http, 'tcp'),
    api: at('api', api, 'tcp'),
    srt: at('srt', srt, 'udp'),
    rtc: at('rtc', rtc, 'udp'),
  };
  return {
    id: mutants.has('proxy-restart-is-same') ? server : `${server}-${service}-${pid}`,
    ip,
    server,
    service,
    pid,
    ...(deviceId ? { deviceId } : {}),
    rtmp: tcp,
    ...Object.fromEntries(Object.entries(others).filter(([, endpoint]) => endpoint !== undefined)),
  };
}

type Transport = 'tcp' | 'udp';

/** The first one over this transport; every one has to be sound. */
function firstEndpoint(
  field: string,
  list: readonly string[],
  transport: Transport,
  ip: string,
  mutants: Mutants,
): Endpoint | undefined {
  const read = list.map((entry) => {
    const endpoint = readEndpoint(entry, ip, mutants);
    if (!endpoint) {
      throw new RegistrationError(
        field,
        `${field} has an endpoint that is not port, protocol://ip:port or protocol://:port: ${entry.slice(0, 60)}`,
      );
    }
    return endpoint;
  });
  return read.find(({ protocol }) => protocol === undefined || protocol === transport)?.endpoint;
}

const ANY_ADDRESS = ['', '0.0.0.0', '::'];

/**
 * `port`, `protocol://ip:port` or `protocol://:port`; any address means the `ip` of the registration. An SRS tells its
 * `listen` as it stands in its configuration, and that may be `ip:port`: where it binds, which is not where it is
 * reached (srs_app_heartbeat.cpp; SRS_DEVICE_IP is), so that only the port counts.
 */
function readEndpoint(
  entry: string,
  ip: string,
  mutants: Mutants,
): { readonly protocol: Transport | undefined; readonly endpoint: Endpoint } | undefined {
  const bound = /^([^:/[\]]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})$/.exec(entry);
  if (bound && isIP(bound[1]!.replace(/^\[|\]$/g, '')) !== 0) return readEndpoint(bound[2]!, ip, mutants);
  const match = /^(?:(tcp|udp):\/\/(\[[0-9A-Fa-f:.]+\]|[^:/[\]]*):)?(\d{1,5})$/.exec(entry);
  if (!match) return undefined;
  const [, protocol, address = '', digits] = match;
  if (protocol && mutants.has('proxy-register-no-protocol-form')) return undefined;
  const port = Number(digits);
  if (port < 1 || port > 65535) return undefined;
  const given = address.replace(/^\[|\]$/g, '');
  if (given !== '' && isIP(given) === 0) return undefined;
  const any = ANY_ADDRESS.includes(given) || mutants.has('proxy-register-ignores-endpoint-ip');
  return { protocol: protocol as Transport | undefined, endpoint: { host: any ? ip : given, port } };
}
