/** The system programs that runs are made of, and the Debian packages that hold them. */
import { existsSync } from 'node:fs';
import { findProgram } from '../lab/runners/find-program.ts';

/** What a user wants to do. */
export type Purpose = 'lab' | 'gate' | 'test';

export interface SystemProgram {
  readonly name: string;
  /** Of Debian and Ubuntu. */
  readonly package: string;
  readonly neededBy: readonly Purpose[];
  readonly isThere: () => boolean;
}

/** Where Debian's nginx packages put dynamic modules. */
const NGINX_RTMP_MODULE = '/usr/lib/nginx/modules/ngx_rtmp_module.so';

export const PROGRAMS: readonly SystemProgram[] = [
  program('haproxy', 'haproxy', ['lab', 'gate', 'test']),
  program('ffmpeg', 'ffmpeg', ['test']),
  program('nginx', 'nginx', ['test']),
  {
    name: 'ngx_rtmp_module',
    package: 'libnginx-mod-rtmp',
    neededBy: ['test'],
    isThere: () => existsSync(NGINX_RTMP_MODULE),
  },
];

function program(name: string, packageName: string, neededBy: readonly Purpose[]): SystemProgram {
  return { name, package: packageName, neededBy, isThere: () => findProgram(name) !== undefined };
}

export function missingPrograms(purpose: Purpose): SystemProgram[] {
  return PROGRAMS.filter(({ neededBy, isThere }) => neededBy.includes(purpose) && !isThere());
}
