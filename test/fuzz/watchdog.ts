/** Ends a process that does not come back from an input, and keeps the input. */
import { Worker } from 'node:worker_threads';

/** So long that a busy machine alone is not taken for a hang. */
export const HANG_MS = 20_000;
const LOOK_MS = 500;
const MAX_PIECES = 8;
const MAX_INPUT = 512 * 1024;
/** Words before the bytes: how many inputs there were, how many pieces this one has, and their lengths. */
const WORDS = 2 + MAX_PIECES;

export interface Watchdog {
  /** What is decoded now. */
  onInput(pieces: readonly Uint8Array[]): void;
  stop(): void;
}

/** JavaScript, since a worker has no loader of TypeScript. */
const CODE = `
const { file, about, shared, words, lookMs, hangMs } = require('node:worker_threads').workerData;
const fs = require('node:fs');
const state = new Int32Array(shared, 0, words);
let [seen, since] = [0, Date.now()];
setInterval(() => {
  if (state[0] !== seen) [seen, since] = [state[0], Date.now()];
  if (seen === 0 || Date.now() - since < hangMs) return;
  let at = 4 * words;
  const pieces = Array.from(state.subarray(2, 2 + state[1]), (length) =>
    Buffer.from(shared, (at += length) - length, length).toString('hex'));
  fs.writeFileSync(file, JSON.stringify({ ...about, error: 'hang', pieces }));
  fs.writeSync(2, 'no return within ' + hangMs + ' ms from an input, kept in ' + file + '\\n');
  process.kill(process.pid, 'SIGKILL');
}, lookMs);
`;

/** @param file where an input goes from which the decoder does not come back, with what it is `about`. */
export function watch(file: string, about: object, hangMs = HANG_MS): Watchdog {
  const shared = new SharedArrayBuffer(4 * WORDS + MAX_INPUT);
  const state = new Int32Array(shared, 0, WORDS);
  const bytes = new Uint8Array(shared, 4 * WORDS);
  const lookMs = Math.min(LOOK_MS, hangMs / 4);
  const worker = new Worker(CODE, {
    eval: true,
    execArgv: [],
    workerData: { file, about, shared, words: WORDS, lookMs, hangMs },
  });
  worker.unref();
  return {
    onInput(pieces) {
      let at = 0;
      for (const [index, piece] of pieces.entries()) {
        bytes.set(piece, at);
        state[2 + index] = piece.length;
        at += piece.length;
      }
      state[1] = pieces.length;
      Atomics.add(state, 0, 1);
    },
    stop: () => void worker.terminate(),
  };
}
