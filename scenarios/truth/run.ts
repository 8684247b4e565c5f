/** All parts, one after the other, on one rig. */
import { cutsRows } from './cuts.ts';
import { framesRows } from './frames.ts';
import { latencyRows } from './latency.ts';
import { lossRows } from './loss.ts';
import { pauseRows } from './pause.ts';
import { Rig } from './rig.ts';
import { TRUTH_PARTS, TRUTH_PROTOCOLS, type TruthPart, type TruthProtocol, type TruthRow } from './rows.ts';
import { starvedRows } from './starved.ts';

export interface TruthRequest {
  /** Default all. */
  readonly protocols?: readonly TruthProtocol[];
  /** Default all. */
  readonly parts?: readonly TruthPart[];
  /** How long latencies and losses are measured, in ms. Default 6 s. */
  readonly windowMs?: number;
  readonly signal: AbortSignal;
  readonly onPart?: (part: TruthPart) => void;
}

const WINDOW_MS = 6000;

type PartRows = (
  rig: Rig,
  protocols: readonly TruthProtocol[],
  windowMs: number,
) => Promise<readonly TruthRow[]>;

const ROWS_OF: Readonly<Record<TruthPart, PartRows>> = {
  latency: latencyRows,
  loss: lossRows,
  cuts: cutsRows,
  frames: framesRows,
  pause: pauseRows,
  starved: starvedRows,
};

/**
 * Rejects with LabError when the origin does not come up. An abort ends it before the next part; the origin goes at once, so that
 * the part that is under way tells nothing.
 */
export async function runTruth(request: TruthRequest): Promise<TruthRow[]> {
  const { protocols = TRUTH_PROTOCOLS, parts = TRUTH_PARTS, windowMs = WINDOW_MS, signal, onPart } = request;
  const rig = await Rig.open(signal);
  const rows: TruthRow[] = [];
  try {
    for (const part of parts) {
      if (signal.aborted) break;
      onPart?.(part);
      rows.push(...(await rowsOf(part, rig)));
      await rig.clear();
    }
    return rows;
  } finally {
    await rig.close();
  }

  async function rowsOf(part: TruthPart, on: Rig): Promise<readonly TruthRow[]> {
    try {
      const found = await ROWS_OF[part](on, protocols, windowMs);
      if (!signal.aborted) return found;
      return found.map((row) => ({ ...row, verdict: 'inconclusive', because: 'interrupted' }));
    } catch (error) {
      if (signal.aborted) return [];
      throw error;
    }
  }
}
