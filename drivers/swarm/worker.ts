/** A worker process: one crowd, told and asked over IPC. Ends with its parent. */
import { Beat } from './beat.ts';
import { Crowd } from './crowd.ts';
import { HealthMonitor, type WorkerHealth } from './health.ts';
import type { FromWorker, Report, ToWorker } from './messages.ts';

function tell(message: FromWorker, done?: () => void): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => done?.());
}

class Worker {
  readonly #crowd: Crowd;
  readonly #health = new HealthMonitor();
  readonly #reports: Beat;

  constructor(start: Extract<ToWorker, { type: 'start' }>) {
    this.#crowd = new Crowd(start.crowd, { onSettled: () => tell({ type: 'settled' }) });
    // Before players are opened: thousands at once take longer than the swarm waits for a report.
    this.#reports = new Beat(() => tell({ type: 'report', report: this.#report() }), {
      everyMs: start.reportMs,
    });
    this.#crowd.start();
  }

  #report(health: WorkerHealth = this.#health.read()): Report {
    const { histograms, protocols } = this.#crowd;
    return {
      crowd: this.#crowd.snapshot(),
      histograms: histograms.take(),
      protocols: protocols.take(),
      health,
    };
  }

  async stop(): Promise<void> {
    this.#reports.stop();
    // Read first: closing thousands of players at once is not what the loop's lag is measured for.
    const health = this.#health.read();
    this.#health.stop();
    this.#crowd.stop();
    await this.#crowd.left();
    tell({ type: 'final', report: this.#report(health) }, () => process.disconnect());
  }
}

let worker: Worker | undefined;
process.on('message', (message: ToWorker) => {
  if (message.type === 'start') worker = new Worker(message);
  else if (worker !== undefined) void worker.stop();
  // Not by `disconnect`: Node hands out what came before somebody listened, and needs the channel after that.
  else process.exit();
});
// A terminal's interrupt goes to the whole group, and so does SIGTERM of `timeout`, or of systemd: the parent decides when and
// how to stop.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {});
process.on('disconnect', () => process.exit());
tell({ type: 'ready' });
