/** Ctrl-C: the first asks a run to stop and to write what was measured, the second quits at once. */
import { exitCodeOfSignal, onInterrupt } from '../scenarios/interruption.ts';
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
  const release = onInterrupt(
    (signal) => {
      process.stderr.write(`\n${printable(signal)}: stopping; once more to quit at once\n`);
      controller.abort(new Error(`interrupted by ${signal}`));
    },
    (signal) => {
      quit?.();
      process.exit(exitCodeOfSignal(signal));
    },
  );
  return { signal: controller.signal, release };
}
