/** What a running HAProxy, configured by lab/render/haproxy.ts, tells of itself. */
import type { NodePorts } from '../cluster.ts';
import { BALANCER_PID_PATH, BALANCER_STATS_PATH } from '../render/haproxy.ts';
import { httpGet } from './readiness.ts';

/**
 * Resolves when it is the process that was started and its health checks have seen every server, or look at none; else
 * rejects.
 */
export async function balancerReady(
  host: string,
  statsPort: number,
  pid: number,
  servers: readonly string[],
): Promise<void> {
  const told = (await httpGet(host, statsPort, BALANCER_PID_PATH)).trim();
  if (told !== String(pid)) throw new Error(`${host}:${statsPort} is process ${told}, not ${pid}`);
  const rows = parseStats(await httpGet(host, statsPort, BALANCER_STATS_PATH));
  const isUp = (row: ReadonlyMap<string, string>): boolean =>
    row.get('check_status') === 'L7OK' || row.get('status') === 'no check';
  const up = new Set(rows.filter(isUp).map((row) => row.get('svname')));
  const down = servers.filter((name) => !up.has(name));
  if (down.length > 0) throw new Error(`the balancer does not see ${down.join(', ')}`);
}

/** Where its statistics are: on the API's port, unless that one is the proxies'. */
export function statsPortOf({ api, stats }: NodePorts): number {
  return stats ?? api ?? 0;
}

/** Sessions of players and publishers that are open now. */
export async function balancerSessions(host: string, statsPort: number): Promise<number> {
  const rows = parseStats(await httpGet(host, statsPort, BALANCER_STATS_PATH));
  return rows
    .filter((row) => row.get('svname') === 'FRONTEND' && row.get('pxname') !== 'stats')
    .reduce((sum, row) => sum + Number(row.get('scur')), 0);
}

/** HAProxy management guide, 9.1: CSV whose first line names the columns. */
function parseStats(csv: string): ReadonlyMap<string, string>[] {
  const [head = '', ...lines] = csv.trim().split('\n');
  const names = head.replace(/^# /, '').split(',');
  return lines.map((line) => {
    const values = line.split(',');
    return new Map(names.map((name, at) => [name, values[at] ?? '']));
  });
}
