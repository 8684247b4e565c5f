/** The system programs that runs are made of, and the Debian packages that hold them. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Cluster } from '../lab/cluster.ts';
import { findProgram } from '../lab/runners/find-program.ts';
import { nginxModule } from '../lab/runners/nginx-module.ts';
import { findChromium } from '../scenarios/browser/chromium.ts';

/** What a user wants to do. */
export type Purpose = 'lab' | 'gate' | 'test' | 'browser';

export interface SystemProgram {
  readonly name: string;
  /** Of Debian and Ubuntu. */
  readonly package: string;
  readonly neededBy: readonly Purpose[];
  /** The only topologies that need it; without it the others still run. */
  readonly onlyFor?: readonly string[];
  readonly isThere: () => boolean;
}

const EVERY: readonly Purpose[] = ['lab', 'gate', 'test', 'browser'];

export const PROGRAMS: readonly SystemProgram[] = [
  program('haproxy', 'haproxy'),
  program('nginx', 'nginx'),
  { ...program('ffmpeg', 'ffmpeg'), onlyFor: ['nginx-rtmp'] },
  nginxModuleOf('ngx_rtmp_module', 'libnginx-mod-rtmp', ['nginx-rtmp']),
  nginxModuleOf('ngx_stream_module', 'libnginx-mod-stream', ['local-origin']),
  { ...program('redis-server', 'redis-server'), onlyFor: ['proxy-redis', 'stream-manager'] },
  { ...program('srt-live-transmit', 'srt-tools'), neededBy: ['test'] },
  {
    ...program('chromium', 'chromium'),
    neededBy: ['test', 'browser'],
    isThere: () => findChromium() !== undefined,
  },
];

function program(name: string, packageName: string): SystemProgram {
  return { name, package: packageName, neededBy: EVERY, isThere: () => findProgram(name) !== undefined };
}

function nginxModuleOf(name: string, packageName: string, onlyFor: readonly string[]): SystemProgram {
  const isThere = (): boolean => nginxModule(`${name}.so`) !== undefined;
  return { name, package: packageName, neededBy: EVERY, onlyFor, isThere };
}

export function missingPrograms(purpose: Purpose): SystemProgram[] {
  return PROGRAMS.filter(({ neededBy, isThere }) => neededBy.includes(purpose) && !isThere());
}

/** Versions of the programs that a running cluster is made of, builtin nodes aside. */
export async function versionsOf(cluster: Cluster): Promise<Record<string, string>> {
  if (cluster.versions !== undefined) return { ...(await cluster.versions()) };
  const versions: Record<string, string> = {};
  for (const { engine, spec } of cluster.nodes.values()) {
    if (versions[engine] !== undefined || engine === 'builtin') continue;
    versions[engine] =
      engine === 'srs'
        ? (await cluster.api(spec.name).versions()).version
        : await versionOf(VERSION_OF[engine] ?? []);
  }
  return versions;
}

/** How programs are asked, by engine: they say `version 2.6.12`, `nginx/1.22.1` and `Redis server v=7.0.15`. */
const VERSION_OF: Readonly<Record<string, readonly string[]>> = {
  haproxy: ['haproxy', '-v'],
  nginx: ['nginx', '-v'],
  'nginx-rtmp': ['nginx', '-v'],
  redis: ['redis-server', '--version'],
};

async function versionOf([name = '', ...args]: readonly string[]): Promise<string> {
  const file = findProgram(name);
  if (file === undefined) return 'unknown';
  const { stdout, stderr } = await promisify(execFile)(file, args);
  return /(?:version |nginx\/|v=)(\d\S*)/.exec(stdout + stderr)?.[1] ?? 'unknown';
}
