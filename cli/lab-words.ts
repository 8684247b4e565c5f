/** What the commands of a lab share, whichever runner brings it up. */
import type { ComposeLabState } from '../lab/runners/compose-lab.ts';
import type { EngineName, Topology } from '../lab/topology.ts';
import type { RunnerName } from './gate-options.ts';
import { painter, table } from './output.ts';

export interface DirectoryOption {
  readonly dir: string;
}

export interface UpCommandOptions extends DirectoryOption {
  readonly runner?: RunnerName;
  readonly topology: string;
  readonly engine?: EngineName;
  readonly srs?: string;
  readonly proxy?: string;
  readonly openUdp?: boolean;
  readonly basePort?: number;
}

/** A process ended by SIGINT, as shells tell it. */
export const EXIT_INTERRUPTED = 130;

const USE_TITLES = { publish: 'Publish', play: 'Play', observe: 'Observe' } as const;

const PROTOCOL_TITLES: Readonly<Record<string, string>> = { api: 'HTTP API', stat: 'statistics' };

export function urls(state: Pick<ComposeLabState, 'entries'>): string {
  const rows = state.entries.map(({ use, node, protocol, url }) => [
    USE_TITLES[use],
    node,
    PROTOCOL_TITLES[protocol] ?? protocol.toUpperCase(),
    url,
  ]);
  // The use is named once, at its first line.
  const lines = rows.map((row, at) => (rows[at - 1]?.[0] === row[0] ? ['', ...row.slice(1)] : row));
  return table(['', 'node', '', 'URL'], lines, { paint: painter(process.stdout) });
}

/** What the URLs alone do not tell, where HLS is cut at edges. */
export function noteOnHls({ nodes }: Topology): string | undefined {
  if (!nodes.some(({ role, hls }) => role === 'edge' && hls)) return undefined;
  return (
    'HLS is cut at the edges, and only while somebody plays the RTMP or HTTP-FLV of the stream there (as SRS does):\n' +
    'before that a playlist is answered with 404. HTTP-FLV through Nginx reaches the same edge as HLS through it.'
  );
}
