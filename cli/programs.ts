/** The system programs that runs are made of, and the Debian packages that hold them. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Cluster } from '../lab/cluster.ts';
import { findProgram } from '../lab/runners/find-program.ts';

/** What a user wants to do. */
export type Purpose = 'lab' | 'gate' | 'test';

export interface SystemProgram {
  readonly name: string;
  /** Of Debian and Ubuntu. */
  readonly package: string;
  readonly neededBy: readonly Purpose[];
  /** The only topology that needs it; without it the others still run. */
  readonly onlyFor?: string;
  readonly isThere: () => boolean;
}

/** Where Debian's nginx packages put dynamic modules. */
const NGINX_RTMP_MODULE = '/usr/lib/nginx/modules/ngx_rtmp_module.so';

const EVERY: readonly Purpose[] = ['lab', 'gate', 'test'];

export const PROGRAMS: readonly SystemProgram[] = [
  program('haproxy', 'haproxy'),
  program('nginx', 'nginx'),
  { ...program('ffmpeg', 'ffmpeg'), onlyFor: 'nginx-rtmp' },
  {
    name: 'ngx_rtmp_module',
    package: 'libnginx-mod-rtmp',
    neededBy: EVERY,
    onlyFor: 'nginx-rtmp',
    isThere: () => existsSync(NGINX_RTMP_MODULE),
  },
  { ...program('srt-live-transmit', 'srt-tools'), neededBy: ['test'] },
];

function program(name: string, packageName: string): SystemProgram {
  return { name, package: packageName, neededBy: EVERY, isThere: () => findProgram(name) !== undefined };
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

/** How programs are asked, by engine. HAProxy 2.6 and Nginx 1.22 end what they say with `version 2.6.12` and `nginx/1.22.1`. */
const VERSION_OF: Readonly<Record<string, readonly string[]>> = {
  haproxy: ['haproxy', '-v'],
  nginx: ['nginx', '-v'],
  'nginx-rtmp': ['nginx', '-v'],
};

async function versionOf([name = '', ...args]: readonly string[]): Promise<string> {
  const file = findProgram(name);
  if (file === undefined) return 'unknown';
  const { stdout, stderr } = await promisify(execFile)(file, args);
  return /(?:version |nginx\/)(\d\S*)/.exec(stdout + stderr)?.[1] ?? 'unknown';
}
