/** What checks of a proxy share: fake origins that register with it, and how one of them is found. */
import type { ClusterNode } from '../../lab/cluster.ts';
import type { CheckContext } from '../check.ts';
import type { FakeOrigin } from '../wire/fake-origin.ts';

export const PROXY_TOPOLOGIES = ['proxy-cluster', 'proxy-redis'] as const;

export const PROXY_SPEC = {
  source: 'SRS proxy (seeds/001)',
  register: 'Register',
  design: 'Design',
} as const;

const APP = 'live';

/**
 * Streams that are asked for until one goes to a certain origin. With four origins in the rotation and picks by chance
 * (facts/srs.md 4.3) all of them miss it once in 10^10.
 */
const MOST_STREAMS = 80;

/** Who takes registrations, and where: the proxy, or the balancer in front of several. */
export function registrar(t: CheckContext): string {
  const front = t.cluster.nodes.get(t.nodes('origin')[0]!.spec.registersWith ?? '');
  return `http://${systemOf(front ?? t.nodes('proxy')[0]!)}/api/v1/srs/register`;
}

function systemOf({ host, ports }: ClusterNode): string {
  return `${host}:${ports.system}`;
}

/** What an origin says of itself; every value may be wrong. */
export type Registration = Readonly<Record<string, unknown>>;

/** A registration as the document has it, of an origin that only the check knows. */
export function registrationOf(origin: FakeOrigin, name: string): Registration {
  return {
    device_id: name,
    ip: origin.host,
    server: `vid-${name}`,
    service: `${name}-1`,
    pid: '4711',
    rtmp: [String(origin.rtmpPort)],
    http: [String(origin.httpPort)],
    api: [String(origin.httpPort)],
  };
}

/** The answer to a registration: its status, and whether it is the one that the document shows. */
export interface RegistrationAnswer {
  readonly status: number;
  readonly error: string | null;
  /** `{"code":0,"pid":"…"}`. */
  readonly accepted: boolean;
}

export async function register(
  t: CheckContext,
  label: string,
  body: Registration | string,
  method = 'POST',
): Promise<RegistrationAnswer> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const answer = await t.http(registrar(t), {
    label,
    method,
    headers: { 'content-type': 'application/json', 'user-agent': 'curl', connection: 'close' },
    ...(method === 'GET' ? {} : { body: text }),
  });
  return {
    status: answer.status,
    error: answer.error,
    accepted: answer.status === 200 && isAcceptance(Buffer.from(answer.body).toString()),
  };
}

function isAcceptance(body: string): boolean {
  try {
    const { code, pid } = JSON.parse(body) as { code?: unknown; pid?: unknown };
    return code === 0 && typeof pid === 'string' && /^\d+$/.test(pid);
  } catch {
    return false;
  }
}

/**
 * A stream that goes to this origin: playlists of new streams are asked for until one comes to it. Undefined when none
 * did.
 */
export async function streamAt(
  t: CheckContext,
  origin: FakeOrigin,
  label: string,
): Promise<{ readonly stream: string; readonly asked: number } | undefined> {
  for (let asked = 1; asked <= MOST_STREAMS; asked++) {
    const stream = t.stream(label);
    await t.http(t.playUrl('hls', stream), { label: `seeks-${label}` });
    if (origin.requests.some(({ target }) => target.includes(`/${APP}/${stream}.`))) return { stream, asked };
  }
  return undefined;
}
