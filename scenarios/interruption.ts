/** Ctrl-C, which may reach a process more than once, and SIGTERM. */

/**
 * npm hands a SIGINT on to what it runs (@npmcli/run-script, lib/signal-manager.js), which the terminal has told already; where its
 * shell makes way for the program, as bash does, that is us. `npm run gate` is an npm in an npm. What comes within so many ms is
 * the same Ctrl-C.
 */
const SAME_MS = 500;

/** @returns the function that gives the signals back to Node's own handling. */
export function onInterrupt(
  first: (signal: NodeJS.Signals) => void,
  again: (signal: NodeJS.Signals) => void,
): () => void {
  let firstAt: number | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    const now = performance.now();
    if (firstAt === undefined) {
      firstAt = now;
      first(signal);
    } else if (now - firstAt > SAME_MS) again(signal);
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return () => {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  };
}

/** As shells tell it. */
export function exitCodeOfSignal(signal: NodeJS.Signals): number {
  return signal === 'SIGINT' ? 130 : 143;
}

/** Aborts at the first; the second quits at once. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  onInterrupt(
    () => controller.abort(),
    (signal) => process.exit(exitCodeOfSignal(signal)),
  );
  return controller.signal;
}
