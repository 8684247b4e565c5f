/** Many streams from a process of their own. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PublishFigures } from '../../drivers/swarm/load.ts';
import { forkEntry } from '../../runtime/entry.ts';
import type { FromPublishers, PublishersTask } from './publishers-main.ts';

/** A process of publishers that does not end when asked to. */
const END_WITHIN_MS = 10_000;

export class Publishers {
  readonly #child: ChildProcess;
  readonly #task: PublishersTask;
  readonly #ready: Promise<unknown>;
  #settled = 0;
  #figures: PublishFigures | undefined;

  constructor(task: PublishersTask) {
    this.#task = task;
    this.#child = forkEntry('scenarios/bench/publishers-main.ts', [], { serialization: 'advanced' });
    this.#ready = once(this.#child, 'message');
    this.#child.on('message', (message: FromPublishers) => {
      if (message.type === 'tick') this.#settled = message.publishing + message.failed;
      if (message.type === 'done') this.#figures = message.figures;
    });
  }

  /** Resolves when every stream was let in or refused, or at the latest after `withinMs`. */
  async start(withinMs: number, signal: AbortSignal): Promise<void> {
    await Promise.race([this.#ready, once(this.#child, 'exit')]);
    this.#child.send(this.#task);
    const deadline = performance.now() + withinMs;
    while (this.#settled < this.#task.streams && performance.now() < deadline) {
      await sleep(50, undefined, { signal });
    }
  }

  /** Undefined when the process died. Idempotent. */
  async stop(): Promise<PublishFigures | undefined> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode === null && signalCode === null) {
      const gone = once(this.#child, 'exit');
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), END_WITHIN_MS);
      if (this.#child.connected) this.#child.send('stop', () => {});
      await gone;
      clearTimeout(timer);
    }
    return this.#figures;
  }
}
