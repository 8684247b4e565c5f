/** The machine and the programs of a run: a figure without them cannot be compared. */
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import type { Environment } from './results.ts';

/** `programs` maps the programs that took part (haproxy, srs, ffmpeg …) to their versions. */
export function collectEnvironment(programs: Readonly<Record<string, string>> = {}): Environment {
  return {
    liveproof: version(),
    node: process.versions.node,
    os: `${osName() ?? type()}, kernel ${release()}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGb: Math.round((totalmem() / 1024 ** 3) * 10) / 10,
    programs: { ...programs },
  };
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return (manifest as { version: string }).version;
}

/** PRETTY_NAME of os-release(5); undefined on a system without that file. */
function osName(): string | undefined {
  for (const file of ['/etc/os-release', '/usr/lib/os-release']) {
    try {
      return /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(readFileSync(file, 'utf8'))?.[1];
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return undefined;
}
