/** The process of bench:stream-manager that asks, so that its latencies have nothing of the reports in them. */
import { HealthMonitor } from '../../drivers/swarm/health.ts';
import { load } from './stream-manager-load.ts';
import { Streams } from './stream-manager-streams.ts';

export interface AskTask {
  readonly at: { readonly host: string; readonly port: number };
  readonly perSecond: number;
  readonly ms: number;
  readonly streams: number;
  readonly origins: number;
}

export interface AskResult {
  readonly asked: number;
  readonly wrong: number;
  readonly failed: number;
  /** LatencyHistogram, encoded. */
  readonly latency: string;
  /** Of this process, in ms. */
  readonly loopLagP99Ms: number;
}

process.on('message', async (task: AskTask) => {
  const health = new HealthMonitor();
  const streams = new Streams(task.streams, task.origins);
  const figures = await load(task.at, {
    perSecond: task.perSecond,
    ms: task.ms,
    question: (index) => streams.question(index),
  });
  const { loopLagP99Ms } = health.read();
  health.stop();
  const { asked, wrong, failed, latency } = figures;
  const result: AskResult = { asked, wrong, failed, latency: latency.encode(), loopLagP99Ms };
  process.send!(result);
});
process.on('disconnect', () => process.exit(0));
