/** Docker, as its command line tells and does it. Every argument goes as it is; there is no shell. */
import { LabError, LabErrorCode } from '../errors.ts';
import { CommandError, type RunOptions, runCommand } from './command.ts';

/** A Docker engine that answers, and a Compose that drives it. */
export interface Docker {
  /** `20.10.24`. */
  readonly engine: string;
  /** `docker compose` (2), or `docker-compose` (1.29). */
  readonly compose: readonly string[];
  readonly composeVersion: string;
}

const ANSWERS_WITHIN_MS = 5000;
/** 1.28 knows profiles; 1.29.0 waits for health. */
const OLDEST_COMPOSE = [1, 29] as const;

/** Rejects with `lab.program`, which says what is missing. */
export async function findDocker(): Promise<Docker> {
  const ask = (...argv: string[]): Promise<string> =>
    runCommand(argv, { timeoutMs: ANSWERS_WITHIN_MS, apart: true }).then(({ stdout }) => stdout.trim());
  const engine = await ask('docker', 'info', '--format', '{{.ServerVersion}}').catch((error: Error) => {
    throw new LabError(LabErrorCode.Program, `no Docker engine answers: ${whyNot(error)}`);
  });
  if (engine === '') throw new LabError(LabErrorCode.Program, 'no Docker engine answers');
  const found: string[] = [];
  for (const compose of [['docker', 'compose'], ['docker-compose']]) {
    const version = await ask(...compose, 'version', '--short').catch(() => undefined);
    if (version === undefined) continue;
    if (isNewEnough(version)) return { engine, compose, composeVersion: version.replace(/^v/, '') };
    found.push(`${compose.join(' ')} ${version}`);
  }
  const wanted = `Docker Compose ${OLDEST_COMPOSE.join('.')} or later is needed`;
  throw new LabError(
    LabErrorCode.Program,
    found.length === 0 ? `${wanted}; there is none` : `${wanted}; there is ${found.join(' and ')}`,
  );
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  return major > OLDEST_COMPOSE[0] || (major === OLDEST_COMPOSE[0] && minor >= OLDEST_COMPOSE[1]);
}

/** Its last line: what comes before is what was asked. */
function whyNot(error: Error): string {
  if (error instanceof CommandError && error.message.includes('ENOENT')) return 'docker is not installed';
  return error.message.split('\n').at(-1) ?? error.message;
}

/** One command of docker, whose plugins are processes of their own. Rejects with CommandError. */
export async function docker(args: readonly string[], options: RunOptions = {}): Promise<string> {
  return (await runCommand(['docker', ...args], { ...options, apart: true })).stdout.trim();
}

/** The label that images which are not what their name says have; test/standins. */
export const STANDIN_LABEL = 'liveproof.standin';

/** Which of these images are stand-ins. Those that are not there are not told. */
export async function standinsOf(images: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const image of new Set(images)) {
    const label = await docker([
      'image',
      'inspect',
      '--format',
      `{{index .Config.Labels "${STANDIN_LABEL}"}}`,
      image,
    ]).catch(() => '');
    if (label === 'true') found.push(image);
  }
  return found;
}

/** Subnets of the networks that there are. */
export async function usedSubnets(): Promise<string[]> {
  const ids = (await docker(['network', 'ls', '--quiet'])).split('\n').filter(Boolean);
  if (ids.length === 0) return [];
  const format = '{{range .IPAM.Config}}{{.Subnet}} {{end}}';
  return (await docker(['network', 'inspect', '--format', format, ...ids])).split(/\s+/).filter(Boolean);
}
