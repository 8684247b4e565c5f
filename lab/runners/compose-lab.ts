/** A lab of containers that stays up after the command that started it. Docker keeps it; a file remembers what it is. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { StateFile } from '../daemon-state.ts';
import { LabError, LabErrorCode } from '../errors.ts';
import { topologyByName } from '../topologies/index.ts';
import { ComposeProject, STANDIN, startCompose } from './compose.ts';

const stateForm = z.object({
  schema: z.literal('liveproof/compose-lab@1'),
  /** Epoch ms. */
  startedAt: z.number(),
  topology: z.string(),
  engine: z.string(),
  project: z.string(),
  basePort: z.number(),
  octet: z.number(),
  /** Versions by image and program. */
  versions: z.record(z.string(), z.string()),
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
  throw new LabError(
    LabErrorCode.AlreadyUp,
    `a lab of containers is up in ${path.resolve(directory)} (topology ${state.topology})`,
  );
}

/** Labs of two directories are two projects. */
function projectOf(directory: string): string {
  return `liveproof-${createHash('sha256').update(path.resolve(directory)).digest('hex').slice(0, 8)}`;
}

/** Resolves when the lab is up; it stays so until `composeDown`. Rejects with a LabError; nothing is left then. */
export async function composeUp(options: ComposeUpOptions): Promise<ComposeLabState> {
  const { directory, topology, basePort, signal, onProgress } = options;
  refuseWhileComposed(directory);
  new StateFile(directory).refuseWhileAlive();
  mkdirSync(directory, { recursive: true });
  const project = projectOf(directory);
  const { cluster, placement } = await startCompose({
    topology: topologyByName(topology),
    runDir: directory,
    project,
    ...(basePort === undefined ? {} : { basePort }),
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  const state: ComposeLabState = {
    schema: 'liveproof/compose-lab@1',
    startedAt: Date.now(),
    topology,
    engine: cluster.engine,
    project,
    basePort: placement.basePort,
    octet: placement.octet,
    versions: { ...(await cluster.versions?.()) },
    entries: cluster.entries.map(({ node, protocol, use, url }) => ({
      node,
      protocol,
      use,
      url: url('live', 'livestream'),
    })),
  };
  writeFileSync(fileOf(directory), `${JSON.stringify(state, null, 2)}\n`);
  return state;
}

/** Resolves when nothing of it is left: true, or false when no lab of containers was there. */
export async function composeDown(directory: string): Promise<boolean> {
  const state = readComposeLab(directory);
  if (state === undefined) return false;
  await (await open(directory, state)).down();
  rmSync(fileOf(directory), { force: true });
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
  return { state, nodes, whole: nodes.every(({ status }) => /^Up .*\(healthy\)/.test(status)) };
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
