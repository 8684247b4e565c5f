/** Ctrl-C: the first asks a run to stop and to write what was measured, the second quits at once. */
import { printable } from './output.ts';

export interface Interruption {
  /** Aborts at the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
  /** Gives the signals back to Node's own handling. */
  release(): void;
}

/** `quit` runs before the process ends at the second signal: synchronous work only. */
export function listenForInterrupt(quit?: () => void): Interruption {
  const controller = new AbortController();
  const onSignal = (signal: NodeJS.Signals) => {
    if (controller.signal.aborted) {
      quit?.();
      process.exit(signal === 'SIGINT' ? 130 : 143);
    }
    process.stderr.write(`\n${printable(signal)}: stopping; once more to quit at once\n`);
    controller.abort(new Error(`interrupted by ${signal}`));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    signal: controller.signal,
    release() {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    },
  };
}
