/** Finds k6, which is not ours and not on npm, and runs scripts with it. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

/** What the scripts are written for. */
export const K6_VERSION = 'v2.2.0';
export const K6_INSTALL = `go install go.k6.io/k6/v2@${K6_VERSION}`;
/** Thresholds were crossed: the script ran, and its results say what is wrong (k6's errext/exitcodes). */
const THRESHOLDS_CROSSED = 99;

/** Where k6 may be: K6_BIN and nothing else when it is set; else PATH, GOBIN, GOPATH/bin. */
export function candidates(env: NodeJS.ProcessEnv): string[] {
  if (env.K6_BIN) return [env.K6_BIN];
  const goPaths = (env.GOPATH || join(homedir(), 'go')).split(delimiter);
  const folders = [
    ...(env.PATH ?? '').split(delimiter),
    ...(env.GOBIN ? [env.GOBIN] : []),
    ...goPaths.map((path) => join(path, 'bin')),
  ];
  return folders.filter((folder) => folder !== '').map((folder) => join(folder, 'k6'));
}

/** The first that can be run; undefined when there is none. */
export function findK6(env: NodeJS.ProcessEnv = process.env): string | undefined {
  return candidates(env).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** `v2.2.0`; undefined when it does not say. */
export function versionOfK6(path: string): string | undefined {
  const { stdout } = spawnSync(path, ['version'], { encoding: 'utf8', env: environmentOfK6() });
  return /\bv\d+\.\d+\.\d+\S*/.exec(stdout ?? '')?.[0];
}

/** Without it k6 asks the network for a program of its own when a script names an extension. */
function environmentOfK6(): NodeJS.ProcessEnv {
  return { ...process.env, K6_AUTO_EXTENSION_RESOLUTION: 'false', K6_NO_USAGE_REPORT: 'true' };
}

export interface K6Run {
  readonly path: string;
  /** File of the script. */
  readonly script: string;
  /** What the script finds in `__ENV`. */
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly onStart?: (pid: number) => void;
}

/** @returns what went wrong with the run itself; undefined when its results say all. */
export async function runK6({ path, script, env, signal, onStart }: K6Run): Promise<string | undefined> {
  const variables = Object.entries(env).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
  const child = spawn(path, ['run', '--quiet', ...variables, script], {
    stdio: ['ignore', 'inherit', 'pipe'],
    env: environmentOfK6(),
  });
  // An interrupt lets k6 write what it has measured so far.
  const interrupt = (): boolean => child.kill('SIGINT');
  signal.addEventListener('abort', interrupt, { once: true });
  let said = '';
  child.stderr.on('data', (bytes: Buffer) => {
    said = (said + bytes.toString()).slice(-2000);
  });
  const gone = once(child, 'close');
  if (child.pid !== undefined) onStart?.(child.pid);
  const [code, killed] = (await gone) as [number | null, NodeJS.Signals | null];
  signal.removeEventListener('abort', interrupt);
  if (code === 0 || code === THRESHOLDS_CROSSED || signal.aborted) return undefined;
  return `k6 ended with ${code ?? killed}: ${said.trim().split('\n').at(-1) ?? ''}`;
}
