/** `lab up`, `lab status` where the lab is one of containers. */
import { LabError, LabErrorCode } from '../lab/errors.ts';
import { profileOf } from '../lab/render/compose-plan.ts';
import { composeStatus, composeUp, standinsIn } from '../lab/runners/compose-lab.ts';
import { findDocker } from '../lab/runners/docker.ts';
import { usualEngine } from '../lab/runners/external.ts';
import { topologyByName } from '../lab/topologies/index.ts';
import type { EngineName, Topology } from '../lab/topology.ts';
import type { RunnerName } from './gate-options.ts';
import { listenForInterrupt } from './interrupt.ts';
import { EXIT_INTERRUPTED, noteOnHls, type UpCommandOptions, urls } from './lab-words.ts';
import { ExitCode, painter, table, UsageError } from './output.ts';

interface Choice {
  readonly runner: RunnerName;
  readonly why: string;
}

/** Containers where they can be had and nothing was asked for that only processes are; throws UsageError for both. */
export async function chooseRunner(options: UpCommandOptions): Promise<Choice> {
  const only = onlyOfProcesses(options);
  if (options.runner === 'process') return { runner: 'process', why: 'asked for' };
  if (options.runner === 'compose') {
    if (only !== undefined)
      throw new UsageError(`${only} is of runner process: leave it out, or --runner compose.`);
    return { runner: 'compose', why: 'asked for' };
  }
  if (only !== undefined) return { runner: 'process', why: `${only} is of this runner` };
  if (profileOf(options.topology) === undefined) {
    return { runner: 'process', why: `${options.topology} is no profile of docker-compose.yml` };
  }
  try {
    const { engine, compose, composeVersion } = await findDocker();
    return { runner: 'compose', why: `Docker ${engine} answers, and ${compose.join(' ')} ${composeVersion}` };
  } catch (error) {
    if (!(error instanceof LabError) || error.code !== LabErrorCode.Program) throw error;
    return { runner: 'process', why: error.message.slice(`${error.code}: `.length) };
  }
}

function onlyOfProcesses({ runner, engine, srs, proxy, openUdp }: UpCommandOptions): string | undefined {
  if (engine === 'builtin') return '--engine builtin';
  // SRS_BIN may be set for other commands.
  const isMeant = srs !== process.env.SRS_BIN || (engine === 'srs' && runner === undefined);
  if (srs !== undefined && isMeant) return srs === process.env.SRS_BIN ? 'SRS_BIN' : '--srs';
  if (proxy !== undefined) return '--proxy';
  return openUdp ? '--open-udp' : undefined;
}

/** Throws `lab.unknown` for an engine that the images of a topology are not. */
export function requireImages(topology: Topology, engine: EngineName): void {
  const own = usualEngine(topology);
  if (engine === own) return;
  throw new LabError(
    LabErrorCode.Unknown,
    `containers of ${topology.name} are of engine '${own}', not '${engine}'`,
  );
}

export async function upInContainers(options: UpCommandOptions): Promise<void> {
  const { dir, topology, engine, basePort } = options;
  if (engine !== undefined) requireImages(topologyByName(topology), engine);
  const interruption = listenForInterrupt();
  try {
    const state = await composeUp({
      directory: dir,
      topology,
      signal: interruption.signal,
      onProgress: (what) => process.stderr.write(`${what}\n`),
      ...(basePort === undefined ? {} : { basePort }),
    });
    const paint = painter(process.stdout);
    console.log(`${paint('green', 'up')}: ${state.topology}, engine ${state.engine}, in containers\n`);
    console.log(urls(state));
    const standins = standinsIn(state);
    if (standins.length > 0) {
      console.log(`\n${paint('yellow', 'Stand-ins')}, not the real images: ${standins.join(', ')}.`);
    }
    const note = noteOnHls(topologyByName(state.topology));
    if (note !== undefined) console.log(`\n${note}`);
    console.log(
      `\ndocker-compose.yml and the configurations are in ${dir}; \`docker logs\` has what the nodes say.\n` +
        '`lab status` looks at it, `lab down` ends it.',
    );
  } catch (error) {
    if (!interruption.signal.aborted) throw error;
    console.error('interrupted: everything was taken down');
    process.exitCode = EXIT_INTERRUPTED;
  } finally {
    interruption.release();
  }
}

/** False when no lab of containers is remembered there. */
export async function composedStatus(dir: string, json: boolean): Promise<boolean> {
  const found = await composeStatus(dir);
  if (found === undefined) return false;
  const { state, whole, nodes } = found;
  if (!whole) process.exitCode = ExitCode.fail;
  const { phase, topology, engine, startedAt, entries, versions } = state;
  if (json) {
    const told = {
      up: true,
      runner: 'compose',
      whole,
      phase,
      topology,
      engine,
      startedAt,
      versions,
      nodes,
      entries,
    };
    console.log(JSON.stringify(told));
    return true;
  }
  const paint = painter(process.stdout);
  const age = Math.round((Date.now() - startedAt) / 1000);
  console.log(`${topology}, engine ${engine}, in containers, ${phase} for ${age} s\n`);
  const rows = nodes.map(({ name, role, image, status }) => [
    name,
    role,
    image,
    paint(status.includes('(healthy)') ? 'green' : 'red', status),
  ]);
  console.log(`${table(['node', 'role', 'image', 'state'], rows, { paint })}\n`);
  if (phase === 'up') console.log(urls(state));
  else {
    console.log(
      `${paint('red', 'It has not come up whole')}: \`lab up\` is still at it, or was killed. \`lab down\` clears what is left.`,
    );
  }
  return true;
}
