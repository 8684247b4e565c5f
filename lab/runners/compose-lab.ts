/** A lab of containers that stays up after the command that started it. Docker keeps it; a file remembers what it is. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { StateFile } from '../daemon-state.ts';
import { LabError, LabErrorCode } from '../errors.ts';
import { replaceDocument } from '../state-document.ts';
import { topologyByName } from '../topologies/index.ts';
import { ComposeProject, STANDIN } from './compose.ts';

const stateForm = z.object({
  schema: z.literal('liveproof/compose-lab@1'),
  /** `starting` from before its first container on, and for good when `composeUp` was killed. */
  phase: z.enum(['starting', 'up']).default('up'),
  /** Epoch ms. */
  startedAt: z.number(),
  topology: z.string(),
  engine: z.string(),
  project: z.string(),
  basePort: z.number(),
  octet: z.number(),
  /** Versions by image and program. Empty until the lab is up. */
  versions: z.record(z.string(), z.string()),
  /** Empty until the lab is up. */
  entries: z.array(
    z.object({
      node: z.string(),
      protocol: z.string(),
      use: z.enum(['publish', 'play', 'observe']),
      url: z.string(),
    }),
  ),
});

export type ComposeLabState = z.infer<typeof stateForm>;

export interface ComposeUpOptions {
  readonly directory: string;
  readonly topology: string;
  readonly basePort?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (what: string) => void;
}

function fileOf(directory: string): string {
  return path.join(path.resolve(directory), 'compose.json');
}

/** undefined when no lab of containers is remembered in that directory. */
export function readComposeLab(directory: string): ComposeLabState | undefined {
  const file = fileOf(directory);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return stateForm.parse(JSON.parse(text));
  } catch (error) {
    throw new LabError(
      LabErrorCode.Unknown,
      `${file} is not the state of a lab: ${(error as Error).message}`,
    );
  }
}

/** Throws `lab.already-up` when a lab of containers is remembered there. */
export function refuseWhileComposed(directory: string): void {
  const state = readComposeLab(directory);
  if (state === undefined) return;
  const what = state.phase === 'up' ? 'is up' : 'has not come up whole';
  throw new LabError(
    LabErrorCode.AlreadyUp,
    `a lab of containers ${what} in ${path.resolve(directory)} (topology ${state.topology})`,
  );
}

/** Labs of two directories are two projects. */
function projectOf(directory: string): string {
  return `liveproof-${createHash('sha256').update(path.resolve(directory)).digest('hex').slice(0, 8)}`;
}

function remember(directory: string, state: ComposeLabState): void {
  replaceDocument(fileOf(directory), state);
}

function forget(directory: string): void {
  rmSync(fileOf(directory), { force: true });
}

/**
 * Resolves when the lab is up; it stays so until `composeDown`. Rejects with a LabError; nothing is left then. Who is killed
 * meanwhile leaves what `composeDown` needs.
 */
export async function composeUp(options: ComposeUpOptions): Promise<ComposeLabState> {
  const { directory, topology, basePort, signal, onProgress } = options;
  refuseWhileComposed(directory);
  new StateFile(directory).refuseWhileAlive();
  mkdirSync(directory, { recursive: true });
  const project = await ComposeProject.prepare({
    topology: topologyByName(topology),
    runDir: directory,
    project: projectOf(directory),
    ...(basePort === undefined ? {} : { basePort }),
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  const { placement, cluster: placed } = project;
  const starting: ComposeLabState = {
    schema: 'liveproof/compose-lab@1',
    phase: 'starting',
    startedAt: Date.now(),
    topology,
    engine: placed.engine,
    project: project.name,
    basePort: placement.basePort,
    octet: placement.octet,
    versions: {},
    entries: [],
  };
  remember(directory, starting);
  try {
    const cluster = await project.start();
    const state: ComposeLabState = {
      ...starting,
      phase: 'up',
      startedAt: Date.now(),
      versions: { ...(await cluster.versions?.()) },
      entries: cluster.entries.map(({ node, protocol, use, url }) => ({
        node,
        protocol,
        use,
        url: url('live', 'livestream'),
      })),
    };
    remember(directory, state);
    return state;
  } catch (error) {
    await project.down();
    forget(directory);
    throw error;
  }
}

/** Resolves when nothing of it is left: true, or false when no lab of containers was there. */
export async function composeDown(directory: string): Promise<boolean> {
  const state = readComposeLab(directory);
  if (state === undefined) return false;
  await (await open(directory, state)).down();
  forget(directory);
  return true;
}

export interface ComposeNodeStatus {
  readonly name: string;
  readonly role: string;
  readonly image: string;
  /** As Docker tells it: `Up 4 minutes (healthy)`; `gone` when there is no such container. */
  readonly status: string;
}

/** undefined when no lab of containers is remembered there. */
export async function composeStatus(
  directory: string,
): Promise<{ state: ComposeLabState; whole: boolean; nodes: readonly ComposeNodeStatus[] } | undefined> {
  const state = readComposeLab(directory);
  if (state === undefined) return undefined;
  const nodes = await (await open(directory, state)).status();
  const healthy = nodes.every(({ status }) => /^Up .*\(healthy\)/.test(status));
  return { state, nodes, whole: state.phase === 'up' && healthy };
}

/** Images that are not what their name says, for people. */
export function standinsIn({ versions }: ComposeLabState): string[] {
  return Object.keys(versions).filter((image) => versions[image]!.startsWith(STANDIN));
}

function open(
  directory: string,
  { topology, project, basePort, octet }: ComposeLabState,
): Promise<ComposeProject> {
  return ComposeProject.reopen(
    { topology: topologyByName(topology), runDir: directory, project },
    { basePort, octet },
  );
}
