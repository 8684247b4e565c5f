/** Out of the events of a gate: was it, or were its nodes, kept from their work? */
import type { GateHealth } from '../reports/results-gate.ts';
import type { HistoryEvent, MachineSeen } from './history.ts';
import { GATE, keptMs, MAX_WAIT_MS, waitsOf } from './starvation.ts';

/** Where an event was seen. */
export type GatePlace = Omit<GateHealth['loopLag'], 'ms'>;

export class GateHealthWatch {
  readonly #boundMs: number;
  #observations = 0;
  #starved = 0;
  #loopLag: GateHealth['loopLag'] | undefined;
  #wait: GateHealth['wait'] = null;

  /** How much a check bears: see `unlessStarved`. */
  constructor(boundMs = MAX_WAIT_MS) {
    this.#boundMs = boundMs;
  }

  see(event: HistoryEvent, place: GatePlace): void {
    if (event.type === 'generator') {
      this.#observations++;
      const ms = event.loopLagMs;
      if (this.#loopLag === undefined || ms > this.#loopLag.ms) this.#loopLag = { ms, ...place };
    } else if (event.type === 'machine' && event.watched) this.#seeWait(event.worst, place);
  }

  #seeWait(worst: MachineSeen['worst'], place: GatePlace): void {
    const kept = keptMs(worst);
    if (kept > this.#boundMs) this.#starved++;
    if (this.#wait !== null && kept <= this.#wait.keptMs) return;
    const [process, waitedMs] = waitsOf(worst)[0] ?? [GATE, 0];
    const { othersShare, stolenMs } = worst;
    this.#wait = { process, waitedMs, othersShare, stolenMs, keptMs: kept, ...place };
  }

  /** Undefined until a check has run. */
  get figures(): GateHealth | undefined {
    if (this.#loopLag === undefined) return undefined;
    return {
      observations: this.#observations,
      loopLag: this.#loopLag,
      wait: this.#wait,
      boundMs: this.#boundMs,
      starved: this.#starved,
    };
  }
}

/** Of several gates: the worst of each. Undefined of none. */
export function healthTogether(all: readonly GateHealth[]): GateHealth | undefined {
  const [first, ...rest] = all;
  if (first === undefined) return undefined;
  return rest.reduce(
    (a, b) => ({
      observations: a.observations + b.observations,
      loopLag: b.loopLag.ms > a.loopLag.ms ? b.loopLag : a.loopLag,
      wait: (b.wait?.keptMs ?? -1) > (a.wait?.keptMs ?? -1) ? b.wait : a.wait,
      boundMs: Math.max(a.boundMs, b.boundMs),
      starved: a.starved + b.starved,
    }),
    first,
  );
}
