/** nginx.conf for an Nginx that spreads TCP connections over the edge processes of one host. */
import type { MutantId } from '../builtin/mutants.ts';
import { type NginxCommon, nginxConf, quoted } from './nginx-parts.ts';

export interface NginxStreamInput extends NginxCommon {
  readonly rtmpPort: number;
  /** ngx_stream_module.so. Left out where it is a part of the program. */
  readonly module?: string;
  readonly servers: readonly {
    readonly host: string;
    readonly ports: { readonly rtmp: number; readonly http: number };
  }[];
  readonly mutants: ReadonlySet<MutantId>;
}

/**
 * Seconds without a byte from an edge, nor from its client, after which the edge hangs: more than an SRS edge needs to
 * give a silent origin up, to pause and to get a keyframe (facts/srs.md 1.4), as in front of HTTP-FLV (nginx.ts).
 */
export const SILENCE_SECONDS = 10;

export function renderNginxStream(input: NginxStreamInput): string {
  const says = [
    'spreads the RTMP and HTTP-FLV connections of a host over its edge processes:',
    'seeds/002-coworker-cluster-302.txt, where Nginx balances TCP for several instances on one server.',
  ];
  const load = input.module === undefined ? '' : `load_module ${quoted(input.module)};\n`;
  return `${load}${nginxConf(input, says, '')}
stream {
    # Each in turn: least_conn would send whoever comes back from an edge that hangs to it again, for it has fewest.
${upstream(
  'rtmp',
  input.servers.map(({ host, ports }) => `${host}:${ports.rtmp}`),
  input.mutants,
)}
${upstream(
  'http',
  input.servers.map(({ host, ports }) => `${host}:${ports.http}`),
  input.mutants,
)}

    tcp_nodelay             on;
    # An edge that is down refuses at once; one whose host is gone is given up, and the next one is tried.
    proxy_connect_timeout   1s;
    # An edge that hangs takes connections and says nothing, which no live stream does for long.
    proxy_timeout           ${silence(input.mutants)};
${nextUpstream(input.mutants)}
    server {
        listen      ${input.host}:${input.rtmpPort};
        proxy_pass  rtmp;
    }
    server {
        listen      ${input.host}:${input.httpPort};
        proxy_pass  http;
    }
}
`;
}

function silence(mutants: ReadonlySet<MutantId>): string {
  if (mutants.has('front-waits-for-edges')) return '1h';
  return mutants.has('front-impatient') ? '1s' : `${SILENCE_SECONDS}s`;
}

function upstream(name: string, servers: readonly string[], mutants: ReadonlySet<MutantId>): string {
  const fewestFirst = mutants.has('front-fewest-first') || mutants.has('front-stays-with-edge');
  const fails = mutants.has('front-stays-with-edge') ? 'max_fails=0' : 'max_fails=1 fail_timeout=2s';
  return `    upstream ${name} {
${fewestFirst ? '        least_conn;\n' : ''}        server ${servers.map((server) => `${server} ${fails}`).join(';\n        server ')};
    }`;
}

function nextUpstream(mutants: ReadonlySet<MutantId>): string {
  if (!mutants.has('front-stays-with-edge')) return '';
  return `    # The defect: who is given to a process that is down is sent away.
    proxy_next_upstream     off;
`;
}
