/** The file in which a lab that stays up is remembered, so that another process can find it, and end it. */
import { linkSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { LabError, LabErrorCode } from './errors.ts';
import { type ProcessIdentity, readIdentified } from './runners/proc.ts';
import { replaceDocument, writeBeside } from './state-document.ts';

const identityForm = z.object({ pid: z.number().int().positive(), startTime: z.string() });

const stateForm = z.object({
  schema: z.literal('liveproof/lab@1'),
  phase: z.enum(['starting', 'up']),
  /** Epoch ms. */
  startedAt: z.number(),
  topology: z.string(),
  engine: z.string(),
  /** Holds the taps, and is the parent of the nodes. */
  daemon: identityForm,
  /** Of every node that was started. */
  processes: z.array(identityForm.extend({ node: z.string() })),
  /** Empty until the lab is up. */
  nodes: z.array(
    z.object({
      name: z.string(),
      role: z.enum([
        'origin',
        'edge',
        'master',
        'slave',
        'balancer',
        'web',
        'proxy',
        'redis',
        'stream-manager',
      ]),
      engine: z.string(),
      host: z.string(),
      ports: z.object({
        rtmp: z.number(),
        http: z.number(),
        api: z.number(),
        srt: z.number().optional(),
        rtc: z.number().optional(),
        system: z.number().optional(),
        redis: z.number().optional(),
        stats: z.number().optional(),
      }),
      logFile: z.string(),
    }),
  ),
  entries: z.array(
    z.object({
      node: z.string(),
      protocol: z.enum(['rtmp', 'flv', 'api', 'hls', 'dash', 'srt', 'webrtc', 'stat', 'vod']),
      use: z.enum(['publish', 'play', 'observe']),
      /** Of stream live/livestream. */
      url: z.string(),
    }),
  ),
});

export type LabState = z.infer<typeof stateForm>;

export class StateFile {
  readonly directory: string;
  readonly #file: string;

  constructor(directory: string) {
    this.directory = path.resolve(directory);
    this.#file = path.join(this.directory, 'state.json');
  }

  /** undefined when there is none. A file that cannot be understood is an error: processes may hang on it. */
  read(): LabState | undefined {
    let text: string;
    try {
      text = readFileSync(this.#file, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    const state = stateForm.safeParse(parseJson(text));
    if (state.success) return state.data;
    throw new LabError(
      LabErrorCode.Unknown,
      `${this.#file} is not the state of a lab: ${state.error.message}`,
    );
  }

  /** Writes the first state; of two that try, one does. Throws `lab.already-up` while any process of another lab lives. */
  claim(state: LabState): void {
    const own = writeBeside(this.#file, state);
    try {
      try {
        linkSync(own, this.#file);
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      this.refuseWhileAlive();
      rmSync(this.#file, { force: true });
      linkSync(own, this.#file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      throw new LabError(LabErrorCode.AlreadyUp, `a lab is being brought up in ${this.directory}`);
    } finally {
      rmSync(own, { force: true });
    }
  }

  /** Throws `lab.already-up` when a process of the remembered lab lives. */
  refuseWhileAlive(): void {
    const state = this.read();
    if (state === undefined || livingProcesses(state).length === 0) return;
    const what = readIdentified(state.daemon) === undefined ? 'what is left of a lab that crashed' : 'a lab';
    throw new LabError(
      LabErrorCode.AlreadyUp,
      `${what} is up in ${this.directory} (topology ${state.topology}, engine ${state.engine})`,
    );
  }

  /** Whoever reads sees the old state or the new one. */
  write(state: LabState): void {
    replaceDocument(this.#file, state);
  }

  remove(): void {
    rmSync(this.#file, { force: true });
  }
}

/** The nodes, then the daemon. */
export function livingProcesses(state: LabState): ProcessIdentity[] {
  return [...state.processes, state.daemon].filter((identity) => readIdentified(identity) !== undefined);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
