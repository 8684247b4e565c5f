/** The proxy is configured by environment variables (seeds/001, Config); these are read and judged here, all at once. */
import { isIP } from 'node:net';
import { isMutantId, type Mutants } from '../mutants.ts';
import type { Endpoint } from './load-balancer.ts';
import { DEFAULT_TIMEOUTS, type ProxyTimeouts } from './timeouts.ts';

export interface RedisSettings {
  readonly host: string;
  readonly port: number;
  /** Empty: none. */
  readonly password: string;
  readonly db: number;
}

export interface DefaultBackend {
  readonly ip: string;
  readonly rtmp: string;
  readonly http: string;
  readonly api: string;
  readonly rtc: string;
  readonly srt: string;
}

export interface ProxyEnvironment {
  readonly name: string;
  readonly rtmp: Endpoint;
  readonly http: Endpoint;
  readonly api: Endpoint;
  /** UDP. */
  readonly webrtc: Endpoint;
  /** The address of `webrtc` that clients are told. Undefined: the one that they have reached over HTTP. */
  readonly candidate: string | undefined;
  /** UDP. */
  readonly srt: Endpoint;
  readonly system: Endpoint;
  readonly staticFiles: string;
  readonly loadBalancer: 'memory' | 'redis';
  readonly redis: RedisSettings;
  /** Undefined when it is off. */
  readonly defaultBackend: DefaultBackend | undefined;
  readonly timeouts: ProxyTimeouts;
  readonly mutants: Mutants;
}

/** The defaults of the document. */
export const DEFAULTS = {
  PROXY_HTTP_API: '11985',
  PROXY_HTTP_SERVER: '18080',
  PROXY_RTMP_SERVER: '11935',
  PROXY_WEBRTC_SERVER: '18000',
  PROXY_SRT_SERVER: '20080',
  PROXY_SYSTEM_API: '12025',
  PROXY_STATIC_FILES: '../trunk/research',
  PROXY_LOAD_BALANCER_TYPE: 'redis',
  PROXY_REDIS_HOST: '127.0.0.1',
  PROXY_REDIS_PORT: '6379',
  PROXY_REDIS_PASSWORD: '',
  PROXY_REDIS_DB: '0',
  PROXY_DEFAULT_BACKEND_ENABLED: 'off',
  PROXY_DEFAULT_BACKEND_IP: '127.0.0.1',
  PROXY_DEFAULT_BACKEND_RTMP: '1935',
  PROXY_DEFAULT_BACKEND_HTTP: '8080',
  PROXY_DEFAULT_BACKEND_RTC: '8000',
  PROXY_DEFAULT_BACKEND_SRT: '10080',
  PROXY_DEFAULT_BACKEND_API: '1985',
  // Ours.
  PROXY_BIND: '127.0.0.1',
  PROXY_WEBRTC_CANDIDATE: '',
  PROXY_NAME: 'proxy',
  PROXY_MUTANTS: '',
  PROXY_TIMEOUTS: '{}',
} as const;

type Variable = keyof typeof DEFAULTS;

/** Everything that is wrong with the environment, one line each. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError';
  readonly code = 'proxy.environment';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`the environment of the proxy is wrong:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

/**
 * An empty variable is as one that is not set. A server is `port` or `host:port`; a bare port binds to `PROXY_BIND`.
 * @throws EnvironmentError that lists all that is wrong.
 */
export function readEnvironment(environment: Readonly<Record<string, string | undefined>>): ProxyEnvironment {
  const problems: string[] = [];
  const value = (name: Variable): string => environment[name] || DEFAULTS[name];
  const wrong = (name: Variable, expected: string): void => {
    const actual = name === 'PROXY_REDIS_PASSWORD' ? '' : ` not ${JSON.stringify(value(name).slice(0, 100))}`;
    problems.push(`${name}: ${expected},${actual}`);
  };
  const port = (name: Variable): number => {
    const number = portOf(value(name));
    if (number === undefined) wrong(name, 'a port from 1 to 65535');
    return number ?? 0;
  };
  const listen = (name: Variable): Endpoint => {
    const match = /^(?:(\[[0-9a-fA-F:.]+\]|[^:\s[\]]*):)?(\d+)$/.exec(value(name));
    const number = portOf(match?.[2] ?? '');
    if (number === undefined) wrong(name, 'a port from 1 to 65535, or host:port');
    return { host: match?.[1]?.replace(/^\[|\]$/g, '') || value('PROXY_BIND'), port: number ?? 0 };
  };
  const oneOf = <T extends string>(name: Variable, choices: readonly T[]): T => {
    const choice = choices.find((one) => one === value(name));
    if (choice === undefined) wrong(name, choices.join(' or '));
    return choice ?? choices[0]!;
  };

  const db = /^\d{1,5}$/.test(value('PROXY_REDIS_DB')) ? Number(value('PROXY_REDIS_DB')) : undefined;
  if (db === undefined) wrong('PROXY_REDIS_DB', 'a number of a database');
  const backendOn = oneOf('PROXY_DEFAULT_BACKEND_ENABLED', ['off', 'on']) === 'on';
  const backendPort = (name: Variable): string => String(port(name));
  const ids = value('PROXY_MUTANTS').split(',').filter(Boolean);
  const unknown = ids.filter((id) => !isMutantId(id));
  if (unknown.length > 0) wrong('PROXY_MUTANTS', `ids of mutants, which ${unknown.join(', ')} is not`);

  const candidate = value('PROXY_WEBRTC_CANDIDATE');
  if (candidate !== '' && isIP(candidate) === 0) wrong('PROXY_WEBRTC_CANDIDATE', 'an IP address');

  const result: ProxyEnvironment = {
    name: value('PROXY_NAME'),
    rtmp: listen('PROXY_RTMP_SERVER'),
    http: listen('PROXY_HTTP_SERVER'),
    api: listen('PROXY_HTTP_API'),
    webrtc: listen('PROXY_WEBRTC_SERVER'),
    candidate: candidate === '' ? undefined : candidate,
    srt: listen('PROXY_SRT_SERVER'),
    system: listen('PROXY_SYSTEM_API'),
    staticFiles: value('PROXY_STATIC_FILES'),
    loadBalancer: oneOf('PROXY_LOAD_BALANCER_TYPE', ['redis', 'memory']),
    redis: {
      host: value('PROXY_REDIS_HOST'),
      port: port('PROXY_REDIS_PORT'),
      password: value('PROXY_REDIS_PASSWORD'),
      db: db ?? 0,
    },
    defaultBackend: backendOn
      ? {
          ip: value('PROXY_DEFAULT_BACKEND_IP'),
          rtmp: backendPort('PROXY_DEFAULT_BACKEND_RTMP'),
          http: backendPort('PROXY_DEFAULT_BACKEND_HTTP'),
          api: backendPort('PROXY_DEFAULT_BACKEND_API'),
          rtc: backendPort('PROXY_DEFAULT_BACKEND_RTC'),
          srt: backendPort('PROXY_DEFAULT_BACKEND_SRT'),
        }
      : undefined,
    timeouts: timeoutsOf(value('PROXY_TIMEOUTS'), (expected) => wrong('PROXY_TIMEOUTS', expected)),
    mutants: new Set(ids.filter(isMutantId)),
  };
  problems.push(...doubleListeners(result));
  if (problems.length > 0) throw new EnvironmentError(problems);
  return result;
}

function portOf(text: string): number | undefined {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return number >= 1 && number <= 65535 ? number : undefined;
}

function timeoutsOf(text: string, wrong: (expected: string) => void): ProxyTimeouts {
  const expected = `a JSON object of ms by ${Object.keys(DEFAULT_TIMEOUTS).join(', ')}`;
  try {
    const given = JSON.parse(text) as Record<string, unknown>;
    const sound = Object.entries(given).every(
      ([key, ms]) => Object.hasOwn(DEFAULT_TIMEOUTS, key) && typeof ms === 'number' && ms > 0,
    );
    if (given === null || typeof given !== 'object' || Array.isArray(given) || !sound) wrong(expected);
    else return { ...DEFAULT_TIMEOUTS, ...given };
  } catch {
    wrong(expected);
  }
  return DEFAULT_TIMEOUTS;
}

/** Two TCP, or two UDP, servers on one port would be told by the system in the words of a socket. */
function doubleListeners({ rtmp, http, api, system, webrtc, srt }: ProxyEnvironment): string[] {
  const same = (listeners: readonly (readonly [Variable, Endpoint])[]): string[] =>
    listeners.flatMap(([name, { host, port }], index) => {
      const other = listeners.slice(0, index).find(([, at]) => at.host === host && at.port === port);
      return other && port !== 0 ? [`${name}: a port of its own, not that of ${other[0]}`] : [];
    });
  return [
    ...same([
      ['PROXY_RTMP_SERVER', rtmp],
      ['PROXY_HTTP_SERVER', http],
      ['PROXY_HTTP_API', api],
      ['PROXY_SYSTEM_API', system],
    ]),
    ...same([
      ['PROXY_WEBRTC_SERVER', webrtc],
      ['PROXY_SRT_SERVER', srt],
    ]),
  ];
}
