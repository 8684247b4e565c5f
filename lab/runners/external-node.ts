/** A node that somebody else started: it is known by what it answers, and controlled by the commands it came with. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ClusterNode, NodeApi, NodePorts, NodeState } from '../cluster.ts';
import { LabError, LabErrorCode } from '../errors.ts';
import type { NodeSpec } from '../topology.ts';
import { readProcess } from './proc.ts';
import { accepts, rtmpAnswers } from './readiness.ts';

export const CONTROLS = ['kill', 'restart', 'freeze', 'thaw', 'disconnect', 'reconnect'] as const;
export type Control = (typeof CONTROLS)[number];

export interface ExternalNodeOptions {
  readonly spec: NodeSpec;
  readonly engine: string;
  readonly host: string;
  readonly ports: NodePorts;
  readonly addresses: readonly string[];
  /** Where its log can be read, or how; told to people. */
  readonly logFile: string;
  /** Left out where it tells nobody about itself. */
  readonly api?: NodeApi;
  /** Each does it; it has happened, or is about to, when it resolves. */
  readonly controls: Readonly<Partial<Record<Control, () => Promise<void>>>>;
  /** Why a control that is not there is not there. */
  readonly whyNot: (control: Control) => string;
  /** Of its process, where it is one of this machine. */
  readonly pid?: () => number;
}

/** For a program to be gone, or back. Kubernetes takes some seconds to start a container again. */
const EFFECT_WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 50;
/** A node without an API of its own is there when the first of these accepts. */
const TCP_PORTS = ['http', 'rtmp', 'redis', 'system', 'api', 'stats'] as const;

export class ExternalNode implements ClusterNode {
  readonly spec: NodeSpec;
  readonly engine: string;
  readonly host: string;
  readonly ports: NodePorts;
  readonly addresses: readonly string[];
  readonly logFile: string;
  readonly #options: ExternalNodeOptions;
  /** The process that answered: `service` and `pid` of the HTTP API change when it is started anew (facts/srs.md 3.1). */
  #identity: string | undefined;
  #state: NodeState = 'starting';
  /** A freeze has not been said to be done. */
  #inDoubt = false;
  #underWay: Promise<void> = Promise.resolve();

  constructor(options: ExternalNodeOptions) {
    this.spec = options.spec;
    this.engine = options.engine;
    this.host = options.host;
    this.ports = options.ports;
    this.addresses = options.addresses;
    this.logFile = options.logFile;
    this.#options = options;
  }

  /** 0 where it is of another machine. */
  get pid(): number {
    return this.#options.pid?.() ?? 0;
  }

  get state(): NodeState {
    return this.#state;
  }

  /** Resolves when it answers as a node of its kind does; its process is the one that is known from then on. */
  async meet(withinMs = EFFECT_WITHIN_MS, signal?: AbortSignal): Promise<void> {
    const end = performance.now() + withinMs;
    for (;;) {
      const refusal = await this.#ask().then(
        (identity) => {
          this.#identity = identity;
          this.#state = 'ready';
        },
        (error: Error) => error,
      );
      if (refusal === undefined) return;
      if (signal?.aborted) throw this.#error(LabErrorCode.Aborted, 'the start was interrupted');
      if (performance.now() > end) {
        throw this.#error(LabErrorCode.Timeout, `does not answer: ${refusal.message}`);
      }
      await delay(LOOK_EVERY_MS);
    }
  }

  /** The answers of the process that is known; another one's are an error, because the node has ended in between. */
  async isItself(): Promise<void> {
    const identity = await this.#ask();
    if (identity === this.#identity) return;
    throw this.#error(LabErrorCode.Exited, `is another process now: ${this.#identity}, then ${identity}`);
  }

  kill(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#state === 'exited') return;
      this.#require('kill');
      try {
        await this.#control('kill');
      } catch (error) {
        // It may have had its effect; what is left dead is started again then.
        await this.ended(0);
        throw error;
      }
      // What was frozen has an end now that can be seen.
      if (this.#state === 'frozen') this.#state = 'ready';
      if (!(await this.ended(EFFECT_WITHIN_MS))) {
        throw this.#error(LabErrorCode.Timeout, `was killed, and answers ${EFFECT_WITHIN_MS} ms later`);
      }
    });
  }

  /** When it rejects, nobody knows whether the node is frozen: `thaw` does its part all the same. */
  freeze(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#state !== 'ready') return;
      this.#require('freeze');
      this.#state = 'frozen';
      this.#inDoubt = true;
      await this.#control('freeze');
      this.#inDoubt = false;
    });
  }

  thaw(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#state !== 'frozen') return;
      try {
        await this.#control('thaw');
      } catch (error) {
        if (!this.#inDoubt || !(await this.#goesOn())) throw error;
      }
      this.#state = 'ready';
    });
  }

  /** Without a command for it, somebody else may do it (a supervisor): it is waited for. */
  restart(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#state !== 'exited' || this.#options.controls.restart !== undefined) {
        await this.#control('restart');
      }
      await this.meet();
    });
  }

  /** Where it has ended and may be started. One that ended by itself, with no command to start it, is somebody else's. */
  async revive(): Promise<void> {
    if (this.#state === 'exited' && this.#options.controls.restart !== undefined) await this.restart();
  }

  disconnect(): Promise<void> {
    return this.#inTurn(() => this.#control('disconnect'));
  }

  reconnect(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#control('reconnect');
      await this.meet();
    });
  }

  async ended(withinMs: number): Promise<boolean> {
    const end = performance.now() + withinMs;
    while (this.#state !== 'exited') {
      const alive = this.#state === 'frozen' || (await this.isItself().then(yes, () => this.#isSeen()));
      if (!alive) this.#state = 'exited';
      else if (performance.now() >= end) return false;
      else await delay(LOOK_EVERY_MS);
    }
    return true;
  }

  usage(): { rssMb: number; cpuSeconds: number } {
    const facts = this.pid === 0 ? undefined : readProcess(this.pid);
    if (facts === undefined) {
      throw this.#error(LabErrorCode.Absent, 'does not tell its memory and CPU time');
    }
    return { rssMb: facts.rssMb, cpuSeconds: facts.cpuSeconds };
  }

  /** Its process is on this machine and there: it may be too busy to answer, but it has not ended. */
  #isSeen(): boolean {
    return this.pid !== 0 && readProcess(this.pid) !== undefined;
  }

  /** It does what a frozen program cannot: a kernel accepts connections for it. */
  #goesOn(): Promise<boolean> {
    return this.#options.api === undefined ? Promise.resolve(false) : this.isItself().then(yes, no);
  }

  /** One request; resolves with who answered it, or nothing where nodes of its kind do not say. */
  async #ask(): Promise<string | undefined> {
    const { api, host, ports } = this.#options;
    if (api !== undefined) {
      const { server, service, pid } = await api.versions();
      // Behind a balancer it is whoever has his turn.
      return this.spec.role === 'balancer' ? undefined : [server, service, pid].join(' ');
    }
    if (ports.rtmp !== undefined && this.spec.web === undefined) await rtmpAnswers(host, ports.rtmp);
    else {
      const [kind] = TCP_PORTS.filter((one) => ports[one] !== undefined);
      if (kind !== undefined) await accepts(host, ports[kind]!);
    }
    return undefined;
  }

  /** After the one before it, whoever gave up waiting for that: its command may have its effect at any time until it ends. */
  #inTurn(act: () => Promise<void>): Promise<void> {
    const done = this.#underWay.then(act);
    this.#underWay = done.catch(() => {});
    return done;
  }

  #require(control: Control): () => Promise<void> {
    const run = this.#options.controls[control];
    if (run === undefined) throw this.#error(LabErrorCode.Absent, this.#options.whyNot(control));
    return run;
  }

  async #control(control: Control): Promise<void> {
    const run = this.#require(control);
    try {
      await run();
    } catch (error) {
      throw this.#error(LabErrorCode.Program, `cannot ${control}: ${(error as Error).message}`, error);
    }
  }

  #error(code: LabErrorCode, message: string, cause?: unknown): LabError {
    return new LabError(code, `${this.spec.name} ${message}`, { node: this.spec.name, cause });
  }
}

const yes = (): boolean => true;
const no = (): boolean => false;
