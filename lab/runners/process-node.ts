/** One node as one child process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { ClusterNode, NodeState } from '../cluster.ts';
import { LabError, LabErrorCode } from '../errors.ts';
import type { ChosenPorts } from '../ports.ts';
import type { NodeSpec } from '../topology.ts';
import { findProgram } from './find-program.ts';
import { lastLines } from './last-lines.ts';
import { readProcess } from './proc.ts';

export interface Launch {
  readonly spec: NodeSpec;
  readonly engine: string;
  readonly host: string;
  readonly ports: ChosenPorts;
  readonly program: string;
  readonly args: readonly string[];
  /** On top of this process's own; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly directory: string;
  /** Appended to. */
  readonly logFile: string;
  /** One real request; resolves when the process with this pid answered it. */
  readonly answers: (pid: number) => Promise<void>;
}

/** Which state may follow which. */
const TRANSITIONS: Record<NodeState, readonly NodeState[]> = {
  starting: ['ready', 'exited'],
  ready: ['frozen', 'exited'],
  frozen: ['ready', 'exited'],
  exited: ['starting'],
};

const READY_WITHIN_MS = 15_000;
/** A refused request on loopback costs next to nothing. */
const ASK_EVERY_MS = 15;

export class ProcessNode implements ClusterNode {
  readonly spec: NodeSpec;
  readonly engine: string;
  readonly host: string;
  readonly ports: ChosenPorts;
  readonly logFile: string;
  readonly #launch: Launch;
  #child: ChildProcess | undefined;
  #state: NodeState = 'exited';

  constructor(launch: Launch) {
    this.spec = launch.spec;
    this.engine = launch.engine;
    this.host = launch.host;
    this.ports = launch.ports;
    this.logFile = launch.logFile;
    this.#launch = launch;
  }

  /** Of the latest process; 0 before the first. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get state(): NodeState {
    return this.#state;
  }

  /** Starts the process; `onSpawn` is called when it has a pid. Resolves when it is ready; else nothing is left of it. */
  async start(signal?: AbortSignal, onSpawn?: () => void): Promise<void> {
    this.#enter('starting');
    try {
      const child = await this.#spawn();
      onSpawn?.();
      await this.#untilReady(child, signal);
      this.#enter('ready');
    } catch (error) {
      await this.kill();
      throw error;
    }
  }

  async #untilReady(child: ChildProcess, signal: AbortSignal | undefined): Promise<void> {
    const deadline = performance.now() + READY_WITHIN_MS;
    for (;;) {
      const refusal = await this.#launch.answers(this.pid).then(
        () => undefined,
        (error: Error) => error,
      );
      if (hasExited(child)) {
        throw this.#error(LabErrorCode.Exited, `exited (${howItEnded(child)}) before it was ready`);
      }
      if (signal?.aborted) throw this.#error(LabErrorCode.Aborted, 'the start was interrupted');
      if (refusal === undefined) return;
      if (performance.now() > deadline) {
        throw this.#error(LabErrorCode.Timeout, `not ready in ${READY_WITHIN_MS} ms: ${refusal.message}`);
      }
      await delay(ASK_EVERY_MS);
    }
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || hasExited(child)) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  freeze(): void {
    if (this.#state !== 'ready') return;
    this.#child?.kill('SIGSTOP');
    this.#enter('frozen');
  }

  thaw(): void {
    if (this.#state !== 'frozen') return;
    this.#child?.kill('SIGCONT');
    this.#enter('ready');
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  async ended(withinMs: number): Promise<boolean> {
    const child = this.#child;
    if (child === undefined || hasExited(child)) return true;
    return once(child, 'exit', { signal: AbortSignal.timeout(withinMs) }).then(
      () => true,
      () => false,
    );
  }

  /** Zeros when the process is gone. */
  usage(): { rssMb: number; cpuSeconds: number } {
    const facts = this.#state === 'exited' ? undefined : readProcess(this.pid);
    return { rssMb: facts?.rssMb ?? 0, cpuSeconds: facts?.cpuSeconds ?? 0 };
  }

  async #spawn(): Promise<ChildProcess> {
    const { program, args, env, directory, logFile } = this.#launch;
    // The kernel kills the child when its starter is gone, however it went. A builtin node also ends with its stdin.
    const setpriv = findProgram('setpriv');
    const argv =
      setpriv === undefined ? [program, ...args] : [setpriv, '--pdeathsig', 'KILL', '--', program, ...args];
    const log = openSync(logFile, 'a');
    try {
      const child = spawn(argv[0]!, argv.slice(1), {
        cwd: directory,
        env: { ...process.env, ...env },
        stdio: ['pipe', log, log],
        // Of no terminal: Ctrl-C there would end it before whoever started it knows why.
        detached: true,
      });
      this.#child = child;
      child.on('exit', () => {
        if (this.#child === child && this.#state !== 'exited') this.#enter('exited');
      });
      await once(child, 'spawn');
      return child;
    } catch (error) {
      this.#child = undefined;
      this.#enter('exited');
      throw new LabError(LabErrorCode.Program, `${this.spec.name}: cannot execute ${program}`, {
        node: this.spec.name,
        cause: error,
      });
    } finally {
      closeSync(log);
    }
  }

  #enter(state: NodeState): void {
    if (!TRANSITIONS[this.#state].includes(state)) {
      throw new Error(`${this.spec.name}: ${this.#state} cannot become ${state}`);
    }
    this.#state = state;
  }

  #error(code: LabErrorCode, message: string): LabError {
    return new LabError(code, `${this.spec.name} ${message}`, {
      node: this.spec.name,
      log: lastLines(this.logFile),
    });
  }
}

function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function howItEnded(child: ChildProcess): string {
  return child.signalCode ?? `code ${child.exitCode}`;
}
